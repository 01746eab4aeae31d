"""The storm: every fault at its point, in an order that the seed decides, under sign-ups."""

import math
from collections.abc import Sequence

from bench.report import progress
from tests.chaos.clients import callers
from tests.chaos.faults import FAULTS, faults_on
from tests.chaos.faults.fault import Fault, Heals
from tests.chaos.options import Options
from tests.chaos.promises import Promises
from tests.chaos.table import Line, show
from tests.chaos.target import Target, target
from tests.chaos.trial import Trial, attempt

AFTER_DEATH_S = 60.0
AFTER_SWEEP_S = 5.0
# Of a fault that kills nobody, so many trials are enough.
OTHER_ROUNDS = 2


def run(options: Options) -> bool:
    """True when nobody was lost and every bound is kept, on each of the databases."""
    kept = []
    for database in options.databases:
        plan = _plan(database, options)
        each = math.ceil(options.creations / len(plan))
        kept.append(weather(f"Storm on {database}", database, plan, each, options))
    return all(kept)


def weather(
    title: str,
    database: str,
    plan: Sequence[Fault],
    creations: int,
    options: Options,
    engine: str = "lite",
) -> bool:
    """Strike the faults one after the other under so many creations each, and show the table."""
    with target(database, options.random(), engine) as running:
        interval_s = float(running.product.config["RECONCILE_INTERVAL"])
        trials = _trials(running, plan, creations)
    bounds = {
        Heals.AFTER_DEATH: AFTER_DEATH_S,
        Heals.AFTER_LOST_DISPATCH: interval_s + AFTER_SWEEP_S,
    }
    lines = [
        Line.of(trials[fault.name], bounds[fault.heals])
        for fault in FAULTS.values()
        if fault.name in trials
    ]
    acknowledged = sum(line.acknowledged for line in lines)
    return show(f"{title}, seed {options.seed}: {acknowledged} creations acknowledged", lines)


def _plan(database: str, options: Options) -> list[Fault]:
    """So many rounds of the faults that at least the asked number of them kills."""
    chosen = [fault for fault in faults_on(database) if options.chooses(fault.name)]
    deadly = [fault for fault in chosen if fault.is_kill]
    rounds = math.ceil(options.kills / len(deadly)) if deadly else options.kills
    others = [fault for fault in chosen if not fault.is_kill]
    plan = deadly * rounds + others * min(rounds, OTHER_ROUNDS if deadly else rounds)
    options.random().shuffle(plan)
    return plan


def _trials(running: Target, plan: Sequence[Fault], creations: int) -> dict[str, list[Trial]]:
    promises = Promises()
    done: dict[str, list[Trial]] = {}
    with callers(running.product) as clients:
        for number, fault in enumerate(plan, start=1):
            trial = attempt(running, fault, clients, promises, creations)
            harm = f", {len(trial.findings)} HARMED" if trial.findings else ""
            harm += f", {len(trial.lies)} LIES" if trial.lies else ""
            progress(
                f"{number}/{len(plan)} {fault.name}: healed in {trial.healed_s:.1f} s, "
                f"clear after {trial.cleared_s:.1f} s{harm}"
            )
            for lie in trial.lies:
                progress(f"lie: {lie}")
            done.setdefault(fault.name, []).append(trial)
    return done
