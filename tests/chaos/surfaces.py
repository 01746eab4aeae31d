"""Each condition as a story: the real fault, and when every surface names it and stops naming it.

The surfaces are the overview, `GET /api/health`, `/readyz`, `flask doctor` and the log.
"""

import json
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

import httpx

from bench.report import progress, show_table
from tests.chaos.options import Options
from tests.chaos.stories import STORIES, Story
from tests.chaos.target import Target, target
from tests.engines.process import wait_until

HEADER = ("condition", "fault", "raised s", "last by", "cleared s", "bounds s", "")
SETTINGS = {"RECONCILE_INTERVAL": "5", "MILVUS_TIMEOUT": "3", "PARTITION_BACKOFF": "2"}
CLEARED_WITHIN_S = 45.0
# What is not named or not passed by then counts as never.
PATIENCE_S = 150.0
# A frozen process answers nothing that it has accepted.
ASKED_FOR_S = 10.0


@dataclass
class Outcome:
    story: Story
    # When each surface named it, and when the last of them stopped, in seconds.
    raised_s: dict[str, float] = field(default_factory=dict)
    cleared_s: float = 0.0
    miss: str = ""

    @property
    def is_kept(self) -> bool:
        raised_s = max(self.raised_s.values(), default=0.0)
        is_in_time = raised_s <= self.story.raised_within_s and self.cleared_s <= CLEARED_WITHIN_S
        return is_in_time and not self.miss

    def cells(self) -> list[str]:
        last = max(self.raised_s, key=self.raised_s.__getitem__, default="–")
        return [
            *(self.story.key, self.story.fault),
            *(f"{self.raised_s.get(last, PATIENCE_S):.1f}", last, f"{self.cleared_s:.1f}"),
            f"{self.story.raised_within_s:g}, {CLEARED_WITHIN_S:g}",
            "kept" if self.is_kept else "BROKEN",
        ]


class Surfaces:
    """Everything that tells an operator of a condition, asked as an operator would."""

    def __init__(self, target: Target, browser: httpx.Client) -> None:
        self._product = target.product
        self._browser = browser

    def naming(self, story: Story, since: float) -> frozenset[str]:
        """The surfaces of the story that name its condition; the log, after that moment."""
        ask: dict[str, Callable[[str], bool]] = {
            "readyz": lambda key: key in self._readyz()["degraded"],
            "api": lambda key: key in self.keys(),
            "panel": lambda key: f'id="condition-{key}' in self._overview(),
            "doctor": lambda key: f'"{key}"' in self._doctor(),
            "log": lambda key: key in self._raised(since),
        }
        return frozenset(name for name in story.surfaces if _is_so(ask[name], story.key))

    def keys(self) -> frozenset[str]:
        answer = self._product.api("GET", "/api/health", timeout=ASKED_FOR_S)
        conditions = answer.json()["conditions"]
        return frozenset(each["key"] for each in conditions)

    def _readyz(self) -> dict[str, list[str]]:
        # Not by the token, which takes the database.
        asked = httpx.get(f"{self._product.url}/readyz", timeout=ASKED_FOR_S)
        answer: dict[str, list[str]] = asked.json()
        return answer

    def _overview(self) -> str:
        return self._browser.get("/admin/", timeout=ASKED_FOR_S).text

    def _doctor(self) -> str:
        return self._product.flask("doctor", "--json", check=False).stdout

    def _raised(self, since: float) -> frozenset[str]:
        files = (self._product.var_dir / "log").glob("*.log")
        lines = [line for file in files for line in file.open(errors="replace")]
        events = [json.loads(line) for line in lines if '"paratia.condition.raised"' in line]
        moments = [datetime.fromisoformat(event["timestamp"]).timestamp() for event in events]
        return frozenset(
            event["key"] for event, at in zip(events, moments, strict=True) if at > since
        )


def run(options: Options) -> bool:
    """True when each condition was named by every surface in time, and had passed in time."""
    kept = [_stage(database, options) for database in options.databases]
    return all(kept)


def _stage(database: str, options: Options) -> bool:
    chosen = [
        story
        for story in STORIES
        if story.only_on in {None, database} and options.chooses(f"{story.key} {story.fault}")
    ]
    with (
        target(database, options.random(), **SETTINGS) as running,
        running.product.browser() as browser,
    ):
        surfaces = Surfaces(running, browser)
        running.product.await_state(running.product.create()["id"], "ready")
        outcomes = [play(running, surfaces, story) for story in chosen]
    misses = [f"{each.story.key}: {each.miss}" for each in outcomes if each.miss]
    title = f"Conditions on {database}"
    show_table(title, HEADER, [each.cells() for each in outcomes], misses)
    return all(each.is_kept for each in outcomes)


def play(target: Target, surfaces: Surfaces, story: Story) -> Outcome:
    """Stage the story: when each of its surfaces named the condition, and when all had stopped."""
    outcome = Outcome(story)
    began_at = time.time()
    with story.during(target):
        began = time.monotonic()

        def is_named() -> bool:
            # Those alone that have not named it: a command takes seconds.
            missing = set(story.surfaces) - outcome.raised_s.keys()
            for name in surfaces.naming(story.named_by(tuple(missing)), began_at):
                outcome.raised_s[name] = time.monotonic() - began
            return set(story.surfaces) == outcome.raised_s.keys()

        with suppress(TimeoutError):
            wait_until(is_named, PATIENCE_S, story.key)
        missing = set(story.surfaces) - outcome.raised_s.keys()
        outcome.miss = f"not named by {', '.join(sorted(missing))}" if missing else ""
    ended = time.monotonic()
    lasting = story.named_by(tuple(name for name in story.surfaces if name != "log"))
    with suppress(TimeoutError):
        wait_until(
            lambda: not surfaces.naming(lasting, 0) and story.key not in _keys(surfaces),
            PATIENCE_S,
            f"the end of {story.key}",
        )
    outcome.cleared_s = time.monotonic() - ended
    progress(f"{story.key} ({story.fault}): {outcome.raised_s}, cleared {outcome.cleared_s:.1f}")
    return outcome


def _keys(surfaces: Surfaces) -> frozenset[str]:
    try:
        return surfaces.keys()
    except (httpx.TransportError, ValueError, KeyError):
        return frozenset({"no answer"})


def _is_so(ask: Callable[[str], bool], key: str) -> bool:
    try:
        return ask(key)
    except (httpx.TransportError, ValueError, KeyError, TypeError, subprocess.SubprocessError):
        return False
