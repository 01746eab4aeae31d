"""The figures of a run as JSON: machine, versions, commit and date beside them."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.engines import Engines
from bench.environment import BIN
from bench.options import Options
from bench.processes import ROOT
from bench.table import Table

PACKAGES = ("pymilvus", "rq", "redis", "sqlalchemy", "flask", "gunicorn")
PEERS = ("celery", "huey", "rq", "redis", "pymilvus")
ASK = "import importlib.metadata as m, sys; print(*map(m.version, sys.argv[1:]))"


def describe(engines: Engines) -> dict[str, Any]:
    """What the figures were taken on; without it they mean nothing."""
    peers = _output(str(BIN / "python"), "-c", ASK, *PEERS).split()
    return {
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "architecture": platform.machine(),
            "processor": _processor(),
            "system": platform.platform(),
        },
        "versions": {
            "engines": [
                engines.milvus_version(),
                f"Redis {engines.redis_version()}",
                engines.databases.version(),
                f"Python {platform.python_version()}",
            ],
            "product": {name: version(name) for name in PACKAGES},
            "peers": dict(zip(PEERS, peers, strict=True)),
        },
        "commit": _output("git", "describe", "--always", "--dirty", "--abbrev=40"),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "load": {"begin": os.getloadavg()},
    }


def save(file: Path, about: Mapping[str, Any], options: Options, tables: Sequence[Table]) -> None:
    """Write the tables that are measured so far."""
    wanted = asdict(options)
    del wanted["folder"]
    run = {
        **about,
        "load": about["load"] | {"end": os.getloadavg()},
        "options": wanted,
        "tables": [table.as_json() for table in tables],
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(run, indent=1, default=list) + "\n")


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "")


def _output(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
