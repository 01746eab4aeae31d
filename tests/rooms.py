"""The table of rooms in CONTRIBUTING.md, from the import contract: `python -m tests.rooms`."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

from webapp.settings import PROJECT_ROOT

DOCUMENT = PROJECT_ROOT / "CONTRIBUTING.md"
BEGIN, END = "<!-- rooms: made by python -m tests.rooms -->\n", "<!-- end of rooms -->\n"
HEAD = "| floor | room | what it holds |\n| --- | --- | --- |\n"


def floors() -> list[list[str]]:
    """The rooms of each floor, the highest floor first."""
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text("utf-8"))
    layered = [
        contract
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    ]
    (packages,) = (each["layers"] for each in layered if "containers" not in each)
    (rooms,) = (each for each in layered if "containers" in each)
    found = []
    for package in packages:
        layers = rooms["layers"] if package in rooms["containers"] else [""]
        for layer in layers:
            names = [f"{package}.{name.strip(' ()')}".rstrip(".") for name in layer.split("|")]
            found.append([name for name in names if source_of(name).exists()])
    return [floor for floor in found if floor]


def source_of(room: str) -> Path:
    """The file that holds the room's docstring."""
    place = PROJECT_ROOT / room.replace(".", "/")
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def table() -> str:
    """The floors as a table in Markdown, the lowest with number 1."""
    return HEAD + "".join(_lines())


def _lines() -> Iterator[str]:
    all_floors = floors()
    for number, floor in zip(range(len(all_floors), 0, -1), all_floors, strict=True):
        for room in floor:
            text = ast.get_docstring(ast.parse(source_of(room).read_text("utf-8"))) or ""
            shown = number if room == floor[0] else ""
            yield f"| {shown} | `{room}` | {text.partition(chr(10))[0]} |\n"


def parted() -> tuple[str, str, str]:
    """The document before the table, the table as it is written there, and what follows."""
    before, begin, rest = DOCUMENT.read_text("utf-8").partition(BEGIN)
    written, end, after = rest.partition(END)
    return before + begin, written, end + after


if __name__ == "__main__":
    before, _, after = parted()
    DOCUMENT.write_text(before + table() + after, "utf-8")
