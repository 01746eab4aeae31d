"""No secret of the settings leaves the process, in whichever form something repeats it."""

import base64
import json
import logging
import logging.config
import re
import sys
from html import escape
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote, quote_plus

import pytest

import jobs.context
from jobs.context import JobFailed, job_context
from webapp.logs import configure_logging, get_logger
from webapp.settings import Settings, load_settings

SECRET = 'magpie/7f3a9+"é\\&>b'
FORMS = {
    "as it is": SECRET,
    "address": quote(SECRET, safe=""),
    "address in small letters": re.sub("%..", lambda code: code[0].lower(), quote(SECRET, safe="")),
    "form": quote_plus(SECRET),
    "JSON": json.dumps(SECRET),
    "JSON, readable": json.dumps(SECRET, ensure_ascii=False),
    "JSON in JSON": json.dumps(json.dumps(SECRET)),
    "Python": repr(SECRET),
    "HTML": escape(SECRET),
    "hex": SECRET.encode().hex(),
    "hex in capitals": SECRET.encode().hex().upper(),
    "base64": base64.b64encode(SECRET.encode()).decode(),
    "base64 of more": base64.b64encode(f"user:{SECRET}!".encode()).decode(),
    "base64 for addresses": base64.urlsafe_b64encode(f"a:{SECRET}".encode()).decode(),
}
BASE64 = [base64.b64encode(bytes(n) + b"magpie/7f3a9").decode()[4:-4] for n in range(3)]
HEX = b"magpie/7f3a9".hex()
SIGNS = ("magpie", "7f3a9", *BASE64, HEX, HEX.upper())


def settings(root: Path, **environ: str) -> Settings:
    return load_settings({"SECRET_KEY": "x" * 40, **environ}, root)


def assert_hidden(text: str) -> None:
    assert [sign for sign in SIGNS if sign in text] == [], text


@pytest.mark.parametrize("form", FORMS)
def test_token_is_masked_in_this_form(tmp_path: Path, form: str) -> None:
    ours = settings(tmp_path, MILVUS_TOKEN=f"root:{SECRET}")
    assert_hidden(ours.mask(f"refused {FORMS[form]} of yours"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MILVUS_TOKEN", SECRET),
        ("SECRET_KEY", SECRET),
        ("ADMIN_PASSWORD", SECRET),
        ("DATABASE_URL", f"postgresql://u:{quote(SECRET, safe='')}@h/d"),
        ("DATABASE_URL", f"postgresql://u@h/d?sslpassword={quote(SECRET, safe='')}"),
        ("REDIS_URL", f"redis://u:{quote(SECRET, safe='')}@h/0"),
        ("REDIS_URL", f"unix:///a.sock?password={quote(SECRET, safe='')}"),
    ],
)
def test_secret_is_masked_wherever_it_was_set(tmp_path: Path, name: str, value: str) -> None:
    assert settings(tmp_path, **{name: value}).mask(f"({SECRET})") == "(***)"


def test_key_that_was_made_is_masked(tmp_path: Path) -> None:
    ours = load_settings({}, tmp_path)
    assert ours.signing_key not in ours.mask(f"signed with {ours.signing_key}")


def test_words_stay_when_a_secret_is_one_of_them(tmp_path: Path) -> None:
    ours = settings(
        tmp_path, MILVUS_TOKEN="root:Milvus", DATABASE_URL="postgresql://postgres:postgres@h/d"
    )
    says = "Milvus and postgresql answer"
    assert ours.mask(f"{says}, not to root:Milvus") == f"{says}, not to ***"


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_line_holds_no_secret_when_its_fields_or_its_error_do(
    tmp_path: Path,
    log_format: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    ours = settings(tmp_path, MILVUS_TOKEN=SECRET, LOG_FORMAT=log_format)
    configure_logging(ours, "stderr")
    try:
        int(f"{FORMS['base64']} {SECRET}")
    except ValueError:
        get_logger("test").exception("test.broke", seen={"in": [SECRET, Path(SECRET)]}, number=7)
        logging.getLogger("library").exception("with %s", SECRET)
    sys.excepthook(ValueError, ValueError(SECRET), None)
    shown = capfd.readouterr().err
    assert_hidden(shown)
    assert "test.broke" in shown
    assert "ValueError: ***" in shown
    assert "invalid literal" in shown


def test_error_of_a_job_is_masked_before_the_queue_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = settings(tmp_path, REDIS_URL=f"redis://:{quote(SECRET, safe='')}@h/0")
    monkeypatch.setattr(jobs.context, "worker", lambda: SimpleNamespace(settings=ours))
    with pytest.raises(JobFailed, match=r"KeyError: .*\*\*\*") as caught, job_context():
        raise KeyError(SECRET)
    assert caught.value.__suppress_context__
    assert_hidden(str(caught.value))


def test_error_of_a_job_stays_as_it_is_when_it_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = settings(tmp_path, MILVUS_TOKEN=SECRET)
    monkeypatch.setattr(jobs.context, "worker", lambda: SimpleNamespace(settings=ours))
    with pytest.raises(KeyError, match="nothing"), job_context():
        raise KeyError("nothing to hide")
