"""Draws each table of a run: `.venv-bench/bin/python -m bench.plot RUN.json FOLDER`.

In `.venv-bench`, which alone has matplotlib; so this imports nothing of the product.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

INK, OURS, OTHERS = "#333333", "#1f5fa8", "#9aa5b1"
# For a second and a third bar of a row, ever lighter.
LIGHTER = (1.0, 0.65, 0.4)
WIDTH_IN, ROW_IN, REST_IN = 8.0, 0.34, 1.3
# Beyond this, bars of the smaller ones could not be seen.
LOG_FROM = 100
# The same file for the same figures.
mpl.rcParams.update({"svg.hashsalt": "bench", "svg.fonttype": "none", "text.color": INK})


def draw(table: Mapping[str, Any], about: str) -> Figure:
    """Horizontal bars, one for each row and drawn column; the product's in a colour of its own."""
    names, drawn = list(table["rows"]), table["drawn"]
    columns = [table["columns"].index(title) for title in drawn]
    height = REST_IN + ROW_IN * len(names) * max(len(columns) * 0.7, 1)
    figure = Figure(figsize=(WIDTH_IN, height), layout="constrained")
    axes = figure.add_subplot()
    thickness = 0.8 / len(columns)
    for place, column in enumerate(columns):
        values = [table["rows"][name][column] for name in names]
        at = [row + (place - (len(columns) - 1) / 2) * thickness for row in range(len(names))]
        colours = [OURS if _is_ours(name, names) else OTHERS for name in names]
        bars = axes.barh(at, values, thickness, color=colours, alpha=LIGHTER[place])
        axes.bar_label(bars, [_shown(value) for value in values], padding=3, fontsize=8)
    shown = [value for name in names for value in (table["rows"][name][c] for c in columns)]
    scale = ""
    if min(shown) > 0 and max(shown) > LOG_FROM * min(shown):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:,g}")
        scale = " (logarithmic)"
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(table["title"], x=0.01, ha="left", fontsize=10)
    axes.set_xlabel(", then ".join(drawn) + scale, fontsize=8)
    figure.supxlabel(about, x=0.01, ha="left", fontsize=7)
    return figure


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= LOG_FROM else f"{value:.3g}"


def _is_ours(name: str, names: list[str]) -> bool:
    """Whether to set the row off: the product's among others, all where nobody else takes part."""
    has_others = any(not each.startswith("product") for each in names)
    takes_part = any(each.startswith("product") for each in names)
    return name.startswith("product") or not (has_others and takes_part)


def main(run: Path, folder: Path) -> None:
    """Write a picture for each table of the run."""
    found = json.loads(run.read_text())
    engines, cores = found["versions"]["engines"], found["machine"]["cores"]
    about = ", ".join([*engines, f"{cores} cores", found["date"][:10], found["commit"][:8]])
    folder.mkdir(parents=True, exist_ok=True)
    for table in found["tables"]:
        file = folder / f"bench-{table['key']}.svg"
        draw(table, about).savefig(file, metadata={"Date": None})
        print(file)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
