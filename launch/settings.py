"""The settings that a run needs. `python -m launch.settings` prints them as JSON.

Where one is unusable, it says on stderr which, and exits with 2.
"""

import json
import sys
from dataclasses import dataclass, fields
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[1]
UNUSABLE = 2


@dataclass(frozen=True)
class RunSettings:
    """What a run needs of `webapp.settings.Settings`, under the same names."""

    var_dir: Path
    host: str
    port: int
    panel_address: str
    admin_email: str
    milvus_is_embedded: bool
    milvus_address: str
    milvus_collection: str
    redis_is_embedded: bool
    redis_socket: Path


def parse(printed: str) -> RunSettings:
    values = json.loads(printed)
    paths = {name: Path(values[name]) for name in ("var_dir", "redis_socket")}
    return RunSettings(**values | paths)


def main() -> None:
    # Imported here, in a process that ends at once: it takes 40 MB, which a run would keep.
    from webapp.settings import SettingsError, load_settings

    try:
        settings = load_settings()
    except SettingsError as error:
        print(error, file=sys.stderr)
        sys.exit(UNUSABLE)
    needed = {field.name: getattr(settings, field.name) for field in fields(RunSettings)}
    print(json.dumps(needed, default=str))


if __name__ == "__main__":
    main()
