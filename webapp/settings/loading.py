"""Reads the settings from the environment and the file `.env`."""

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from create_milvus_partition import TLS_FILES
from webapp.settings.env_file import read_env_file
from webapp.settings.model import Settings, SettingsError
from webapp.settings.project import PROJECT_ROOT

# Control characters, Unicode's own line breaks, and bytes that are not UTF-8.
BREAKS_LINES = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

# Similarity of names (difflib): a wrong letter or two pass it, a further word does not.
NEARLY = 0.85


def load_settings(environ: Mapping[str, str] | None = None, root: Path = PROJECT_ROOT) -> Settings:
    """The settings of this process: the environment, then `.env` in `root`, then defaults.

    An empty variable counts as unset. A relative path counts from `root`.

    Raises:
        SettingsError: names every unusable setting and says what is accepted.
    """
    from_file = read_env_file(root / ".env")
    _refuse_libpqs_own(from_file)
    values, sources = _collect(os.environ if environ is None else environ, from_file)
    _refuse_misspelt(from_file, sources)
    values["var_dir"] = (root / values.get("var_dir", "var")).resolve()
    for name in map(str.lower, TLS_FILES):
        if name in values:
            values[name] = root / values[name]
    for folder in (root, values["var_dir"]):
        _require_lines_stay_whole(folder)
    try:
        return Settings(**values, sources=sources)
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None


def _require_lines_stay_whole(folder: Path) -> None:
    """Refuse line breaks in a path: other programs read it from their line-based files."""
    if BREAKS_LINES.search(str(folder)):
        raise SettingsError(
            f"The folder {str(folder)!r} has a control character in its path, or one that is not "
            "UTF-8; choose another (VAR_DIR names the folder of what is kept)"
        )


def _collect(
    environ: Mapping[str, str], from_file: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for field in Settings.model_fields:
        name = field.upper()
        if field == "sources":
            continue
        if environ.get(name):
            # A shell that has exported .env repeats its values.
            same = environ[name] == from_file.get(name)
            values[field], sources[name] = environ[name], ".env" if same else "environment"
        elif from_file.get(name):
            values[field], sources[name] = from_file[name], ".env"
    return values, sources


def _refuse_libpqs_own(from_file: Mapping[str, str]) -> None:
    """Refuse libpq's variables in `.env`: libpq reads the environment alone."""
    stray = next((name for name, value in from_file.items() if name[:2] == "PG" and value), None)
    if stray:
        raise SettingsError(
            f"Settings: {stray} does not work from .env; set it in the environment of every "
            "process, or as a parameter of DATABASE_URL"
        )


def _refuse_misspelt(from_file: Mapping[str, str], sources: Mapping[str, str]) -> None:
    """Refuse a name in `.env` that is nearly an unset setting's; others may be other tools'."""
    names = [field.upper() for field in Settings.model_fields if field != "sources"]
    for name, value in from_file.items():
        if name in names or not value:
            continue
        similar = next(iter(get_close_matches(name.upper(), names, 1, NEARLY)), None)
        if similar and similar not in sources:
            raise SettingsError(f"Settings: {name} in .env is no setting; {similar} may be meant")


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        message = problem["msg"].removeprefix("Value error, ")
        name = str(problem["loc"][0]).upper() + " " if problem["loc"] else ""
        lines.append(f"{name}{message[:1].lower() + message[1:] if name else message}")
    return "Settings: " + "; ".join(lines)
