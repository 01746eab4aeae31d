"""Parsing of bodies: JSON that every reader understands alike, of limited depth."""

import json
import math
from collections.abc import Iterable
from typing import Any, NoReturn

# Our bodies have three levels. The limit protects later recursion.
MAX_DEPTH = 32
UNUSABLE = (
    "The body must be JSON in UTF-8, with finite numbers, each field of an object once, "
    f"and at most {MAX_DEPTH} levels."
)


def loads(data: bytes) -> Any:
    """The value in the body; Werkzeug parses requests with this.

    Raises:
        ValueError: it is not JSON, or readers could understand it differently.
    """
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_float=_finite,
            parse_constant=_refuse,
        )
    except RecursionError:
        raise ValueError(UNUSABLE) from None
    if not _is_shallow(value):
        raise ValueError(UNUSABLE)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError(UNUSABLE)
    return fields


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def _refuse(_text: str) -> NoReturn:
    raise ValueError(UNUSABLE)


def _is_shallow(value: Any) -> bool:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [child for node in level for child in _children(node)]
        if not level:
            return True
    return False


def _children(node: Any) -> Iterable[Any]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()
