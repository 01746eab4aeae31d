"""The table of what was done and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.figures import percentile
from bench.report import show_table
from tests.chaos.compare import Finding, Harm
from tests.chaos.trial import Trial

HEADER = (
    "fault",
    "trials",
    "acknowledged",
    *Harm,
    "lies",
    "p50 s",
    "p99 s",
    "bound s",
    "",
)


@dataclass(frozen=True)
class Line:
    """One fault's figures, and the bound that its time to heal must keep."""

    fault: str
    trials: int
    acknowledged: int
    findings: frozenset[Finding]
    healed_s: Sequence[float]
    bound_s: float
    lies: Sequence[str] = ()
    # What else was promised and not kept, in words.
    misses: Sequence[str] = ()

    @classmethod
    def of(cls, trials: Sequence[Trial], bound_s: float) -> "Line":
        return cls(
            fault=trials[0].fault,
            trials=len(trials),
            acknowledged=sum(trial.acknowledged for trial in trials),
            findings=frozenset().union(*(trial.findings for trial in trials)),
            healed_s=[trial.healed_s for trial in trials],
            lies=[lie for trial in trials for lie in trial.lies],
            bound_s=bound_s,
            misses=[trial.miss for trial in trials if trial.miss],
        )

    @property
    def is_kept(self) -> bool:
        """Whether nothing was harmed and all healed in time."""
        late = percentile(self.healed_s, 0.99) > self.bound_s
        return not (self.findings or self.lies or self.misses or late)

    def cells(self) -> list[str]:
        harms = [sum(finding.harm is harm for finding in self.findings) for harm in Harm]
        times = [f"{percentile(self.healed_s, share):.1f}" for share in (0.5, 0.99)]
        numbers = [
            str(number) for number in (self.trials, self.acknowledged, *harms, len(self.lies))
        ]
        return [
            self.fault,
            *numbers,
            *times,
            f"{self.bound_s:g}",
            "kept" if self.is_kept else "BROKEN",
        ]


def show(title: str, lines: Sequence[Line], notes: Sequence[str] = ()) -> bool:
    """Print the table; True when every line keeps its bounds."""
    wrong = [miss for line in lines for miss in line.misses]
    wrong += [f"lie, {line.fault}: {lie}" for line in lines for lie in line.lies]
    wrong += [f"{one.harm}: {one.what}" for line in lines for one in sorted(line.findings, key=str)]
    show_table(title, HEADER, [line.cells() for line in lines], [*notes, *wrong])
    return all(line.is_kept for line in lines)
