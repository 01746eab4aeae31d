"""The catalogs of translations are in step with the sources, and compiled."""

import ast
import io
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from webapp.settings import PROJECT_ROOT

CATALOGS = sorted((PROJECT_ROOT / "translations").glob("*/LC_MESSAGES/messages.po"))
# As `make messages` has them: `_l` and `counted` in tables, `N_` where nobody knows who will read.
KEYWORDS = DEFAULT_KEYWORDS | {"_l": None, "N_": None, "plain": None, "counted": (1, 2)}
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%%|\{\w+\}")


@cache
def extracted() -> set[Any]:
    """Every sentence of the sources; one with a plural is a pair."""
    with (PROJECT_ROOT / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file, "babel.cfg")
    found = extract_from_dir(PROJECT_ROOT, methods, options, KEYWORDS, directory_filter=_is_ours)
    return {message for _file, _line, message, _comments, _context in found}


def _is_ours(folder: str) -> bool:
    return Path(folder).relative_to(PROJECT_ROOT).parts[:1] in {(), ("webapp",), ("templates",)}


def catalog(path: Path) -> Any:
    with path.open("rb") as file:
        return read_po(file)


def forms(message: Any) -> tuple[str, ...]:
    """What a sentence became; one with a plural has several forms."""
    return tuple(message.string) if message.pluralizable else (message.string,)


def test_sentences_are_found_in_code_and_templates() -> None:
    found = extracted()
    assert {"Skip to the content", "Milvus unreachable", "Milvus refused the pace."} <= found
    assert ("%(num)s row", "%(num)s rows") in found


def test_no_sentence_stands_inside_an_f_string() -> None:
    # Babel finds it there on Python 3.12 and newer alone, so it would stay untranslated.
    sources = (PROJECT_ROOT / "webapp").rglob("*.py")
    assert [found for path in sources for found in sentences_in_f_strings(path)] == []


def sentences_in_f_strings(path: Path) -> list[str]:
    """Where a call that marks a sentence stands in the braces of an f-string."""
    tree = ast.parse(path.read_text())
    f_strings = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    calls = {node for each in f_strings for node in ast.walk(each) if isinstance(node, ast.Call)}
    marked = [
        call for call in calls if isinstance(call.func, ast.Name) and call.func.id in KEYWORDS
    ]
    return [f"{path}:{call.lineno}" for call in marked]


@pytest.mark.parametrize("path", CATALOGS, ids=lambda path: path.parts[-3])
def test_every_sentence_is_translated_and_none_too_many(path: Path) -> None:
    messages = [message for message in catalog(path) if message.id]
    assert {message.id for message in messages} == extracted(), "run: make messages"
    assert [message.id for message in messages if message.fuzzy or not all(forms(message))] == []


@pytest.mark.parametrize("path", CATALOGS, ids=lambda path: path.parts[-3])
def test_a_translation_has_the_placeholders_of_its_sentence(path: Path) -> None:
    for message in catalog(path):
        if not message.id:
            continue
        # A singular may leave the number out, as `The one tenant is ready.` does.
        sentences = message.id if message.pluralizable else (message.id,)
        for sentence, form in zip(sentences, forms(message), strict=True):
            wanted = set(PLACEHOLDER.findall(sentence))
            assert set(PLACEHOLDER.findall(form)) == wanted, message.id


@pytest.mark.parametrize("path", CATALOGS, ids=lambda path: path.parts[-3])
def test_the_compiled_catalog_is_the_written_one(path: Path) -> None:
    compiled = io.BytesIO()
    write_mo(compiled, catalog(path))
    assert compiled.getvalue() == path.with_suffix(".mo").read_bytes(), "run: make messages"
