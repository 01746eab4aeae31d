"""Prints the machine, the versions and the tables as plain text."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def show_machine(about: Mapping[str, Any]) -> None:
    """Say what the figures were taken on."""
    machine, versions = about["machine"], about["versions"]
    print(f"{machine['cores']} cores for everything ({machine['processor']}), {_load()}")
    print(", ".join(versions["engines"]))
    for name in ("product", "peers"):
        packages = (f"{package} {number}" for package, number in versions[name].items())
        print(f"{name}: {', '.join(packages)}")
    print(f"commit {about['commit']}, {about['date']}", flush=True)


def show_load() -> None:
    """Say how busy the machine is by now."""
    print(f"\nAt the end: {_load()}", flush=True)


def _load() -> str:
    return "load " + " ".join(f"{value:.2f}" for value in os.getloadavg())


def show_table(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()
) -> None:
    """Print a table whose first column is text and whose others are numbers."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    print(f"\n{title}")
    for number, line in enumerate(lines):
        first, *others = (cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join([line[0].ljust(len(first)), *others]))
        if number == 0:
            print("  ".join("-" * width for width in widths))
    for note in notes:
        print(f"  {note}")
    sys.stdout.flush()


def progress(text: str) -> None:
    """Say on stderr what is being measured; the tables alone go to stdout."""
    print(f"  … {text}", file=sys.stderr, flush=True)
