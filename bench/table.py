"""One table: its rows and columns, what each round measured, and what is drawn of it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.figures import Measured, medians, only, ratios
from bench.report import show_table


@dataclass(frozen=True)
class Column:
    """A column: the medians of a figure, times `times`, or with `limits` its ratios to them."""

    title: str
    figure: str
    times: float = 1
    limits: Collection[str] = ()

    def values(self, rounds: Sequence[Mapping[str, Measured]]) -> dict[str, float]:
        """The column's value for each contender."""
        chosen = only(self.figure, rounds)
        if self.limits:
            return ratios(chosen, self.limits)
        return {name: self.times * value for name, value in medians(chosen).items()}


@dataclass(frozen=True)
class Table:
    """Figures of several contenders; `drawn` names the columns of the plot."""

    key: str
    title: str
    columns: Sequence[str]
    rows: Mapping[str, Sequence[float]]
    notes: Sequence[str]
    drawn: Sequence[str]
    rounds: Sequence[Mapping[str, Measured]] = ()

    @classmethod
    def of_rounds(
        cls,
        key: str,
        title: str,
        rounds: Sequence[Mapping[str, Measured]],
        columns: Sequence[Column],
        notes: Sequence[str] = (),
        drawn: Sequence[str] = (),
    ) -> "Table":
        """Medians and ratios of these rounds; the last column is drawn unless others are named."""
        values = [column.values(rounds) for column in columns]
        titles = [column.title for column in columns]
        rows = {name: [each[name] for each in values] for name in rounds[0]}
        return cls(key, title, titles, rows, notes, drawn or titles[-1:], rounds)

    def show(self) -> None:
        """Print it."""
        lines = [(name, *map(shown, values)) for name, values in self.rows.items()]
        show_table(self.title, ("", *self.columns), lines, self.notes)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def shown(value: float) -> str:
    """The figure with three digits that matter, or all that it has before the point."""
    digits = next((n for n, least in ((0, 100), (1, 10), (2, 1)) if abs(value) >= least), 3)
    return f"{value:,.{digits}f}"


def per_second(title: str = "tenants/s") -> Column:
    return Column(title, "rate")


def milliseconds(figure: str, title: str = "") -> Column:
    """A time, measured in seconds."""
    return Column(title or f"{figure} ms", figure, times=1000)


# A table's module measures it.
Measure = Callable[..., Table]
