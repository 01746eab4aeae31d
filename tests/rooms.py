"""The rooms in CONTRIBUTING.md, from the import contract: `python -m tests.rooms` writes them."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

from webapp.settings import PROJECT_ROOT

DOCUMENT = PROJECT_ROOT / "CONTRIBUTING.md"
PICTURE = PROJECT_ROOT / "docs" / "img" / "rooms.svg"
BEGIN, END = "<!-- rooms: made by python -m tests.rooms -->\n", "<!-- end of rooms -->\n"
HEAD = "| floor | room | what it holds |\n| --- | --- | --- |\n"

# In pixels. The packages that import webapp stand in a column on its left.
LEFT, RIGHT, SPACE, ROW, HEIGHT, TOP = 300, 560, 50, 38, 30, 34
SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"
  font-family="system-ui, sans-serif" font-size="13" text-anchor="middle">
<title>The rooms; each imports only rooms below it, and jobs may import webapp</title>
<style>
  .package {{ fill: #eef2f7; stroke: #c3ccd8 }} .room {{ fill: #fff; stroke: #8fa0b5 }}
  text {{ fill: #1c2733 }} .name {{ font-weight: 600; font-size: 14px }}
  .arrow {{ stroke: #5b6f86; fill: none; stroke-width: 2 }}
  @media (prefers-color-scheme: dark) {{
    .package {{ fill: #18212c; stroke: #33404f }} .room {{ fill: #24303d; stroke: #566779 }}
    text {{ fill: #e4eaf1 }} .arrow {{ stroke: #93a5ba }}
  }}
</style>
{shapes}</svg>
"""
BOX = '<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6"/>\n'
TEXT = '<text class="{kind}" x="{x:g}" y="{y:g}">{text}</text>\n'
ARROW = '<path class="arrow" d="M{x} {y} h{length} m-7 -6 l7 6 l-7 6"/>\n'


def floors() -> dict[str, list[list[str]]]:
    """Each package's floors with their rooms, both the highest first."""
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text("utf-8"))
    layered = [
        contract
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    ]
    (packages,) = (each["layers"] for each in layered if "containers" not in each)
    (rooms,) = (each for each in layered if "containers" in each)
    found = {}
    for package in packages:
        layers = rooms["layers"] if package in rooms["containers"] else [""]
        named = [
            [f"{package}.{name.strip(' ()')}".rstrip(".") for name in layer.split("|")]
            for layer in layers
        ]
        there = [[name for name in floor if source_of(name).exists()] for floor in named]
        found[package] = [floor for floor in there if floor]
    return found


def source_of(room: str) -> Path:
    place = PROJECT_ROOT / room.replace(".", "/")
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def table() -> str:
    """The floors as a table in Markdown, the lowest with number 1."""
    return HEAD + "".join(_lines())


def _lines() -> Iterator[str]:
    all_floors = [floor for package in floors().values() for floor in package]
    for number, floor in zip(range(len(all_floors), 0, -1), all_floors, strict=True):
        for room in floor:
            text = ast.get_docstring(ast.parse(source_of(room).read_text("utf-8"))) or ""
            shown = number if room == floor[0] else ""
            yield f"| {shown} | `{room}` | {text.partition(chr(10))[0]} |\n"


def picture() -> str:
    *others, lowest = floors().items()
    shapes, y = "", 1
    for package, rows in others:
        shapes += _package(package, rows, x=1, y=y, width=LEFT)
        y += TOP + ROW * len(rows) + 12
    height = max(y, TOP + ROW * len(lowest[1]) + 8)
    shapes += _package(*lowest, x=LEFT + SPACE, y=1, width=RIGHT)
    shapes += ARROW.format(x=LEFT + 8, y=y // 2, length=SPACE - 14)
    return SVG.format(width=LEFT + SPACE + RIGHT + 1, height=height, shapes=shapes)


def _package(name: str, rows: list[list[str]], *, x: int, y: int, width: int) -> str:
    shapes = BOX.format(kind="package", x=x, y=y, width=width, height=TOP + ROW * len(rows))
    shapes += TEXT.format(kind="name", x=x + width / 2, y=y + 21, text=name)
    for number, rooms in enumerate(rows):
        each = (width - 8) / len(rooms)
        for place, room in enumerate(rooms):
            left, top = x + 8 + each * place, y + TOP + ROW * number
            box = {"x": left, "y": top, "width": each - 8, "height": HEIGHT}
            shapes += BOX.format(kind="room", **box)
            text = room.rpartition(".")[2] if rooms != [name] else "make run"
            shapes += TEXT.format(kind="", x=left + each / 2 - 4, y=top + 20, text=text)
    return shapes


def parted() -> tuple[str, str, str]:
    """The document before the table, the table as it is written there, and what follows."""
    before, begin, rest = DOCUMENT.read_text("utf-8").partition(BEGIN)
    written, end, after = rest.partition(END)
    return before + begin, written, end + after


if __name__ == "__main__":
    before, _, after = parted()
    DOCUMENT.write_text(before + table() + after, "utf-8")
    PICTURE.write_text(picture(), "utf-8")
