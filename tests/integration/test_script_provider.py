"""Running the fallback script: what it answers, and that nothing of it is left behind."""

import fcntl
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from jobs.milvus import script
from jobs.milvus.script import ScriptAnswer, run_script
from jobs.milvus.store import StoreError
from tests.engines.lite import LiteServer
from tests.engines.process import free_port, wait_until
from tests.milvus_collections import insert_rows, make_collection
from webapp.models.causes import Cause


@pytest.fixture
def fake(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a script that stands in for the real one."""

    def write(source: str) -> Path:
        path = tmp_path / "script.py"
        path.write_text(source)
        return path

    return write


def failure(uri: str = "http://127.0.0.1:1", token: str = "", **arguments: object) -> StoreError:
    with pytest.raises(StoreError) as caught:
        run_script(uri, token, "c", "p", **({"timeout_s": 5} | arguments))  # type: ignore[arg-type]
    return caught.value


def test_script_answers_what_it_did_when_it_runs_twice(milvus_lite: LiteServer) -> None:
    collection = make_collection(milvus_lite.uri)
    answers = [run_script(milvus_lite.uri, "", collection, "tenant_1", 10) for _ in range(2)]
    assert answers == [ScriptAnswer("created"), ScriptAnswer("already_exists", 0)]


def test_script_makes_nothing_and_counts_when_it_only_checks(milvus_lite: LiteServer) -> None:
    collection = make_collection(milvus_lite.uri)
    ask = partial(run_script, milvus_lite.uri, "", collection, "tenant_1", 10, check=True)
    assert [ask(), ask()] == [ScriptAnswer("absent")] * 2
    run_script(milvus_lite.uri, "", collection, "tenant_1", 10)
    insert_rows(milvus_lite.uri, collection, "tenant_1", 2)
    assert ask() == ScriptAnswer("exists", 2)


def test_number_of_rows_is_unknown_when_the_script_says_nothing_usable(
    fake: Callable[[str], Path],
) -> None:
    for rows in ("null", '"2"', "true", "-1", "1.5"):
        answer = '{"result": "already_exists", "rows": ' + rows + "}"
        path = fake(f"print({answer!r})")
        assert run_script("http://x", "", "c", "p", 10, path) == ScriptAnswer("already_exists")


def test_answer_cannot_be_read_when_it_is_to_another_question(fake: Callable[[str], Path]) -> None:
    for check, result in ((True, "created"), (False, "absent")):
        path = fake(f'print(\'{{"result": "{result}"}}\')')
        assert failure(script=path, check=check).cause is Cause.UNEXPECTED


def test_cause_is_the_scripts_when_it_failed() -> None:
    assert failure(f"http://127.0.0.1:{free_port()}").cause is Cause.MILVUS_UNREACHABLE


def test_failure_is_unexpected_when_answer_cannot_be_read(fake: Callable[[str], Path]) -> None:
    for source in ("print('hello')", "print('[1]')", 'print(\'{"result": "fine"}\')', ""):
        assert failure(script=fake(source)).cause is Cause.UNEXPECTED
    crashed = failure(script=fake("1 / 0"))
    assert crashed.cause is Cause.UNEXPECTED
    assert "ZeroDivisionError" in crashed.message


def test_token_is_given_by_environment_and_hidden_when_script_prints_it(
    fake: Callable[[str], Path],
) -> None:
    path = fake("import os, sys; sys.exit(' '.join(sys.argv) + ' <' + os.environ['MILVUS_TOKEN'])")
    assert failure(token="root:s3cret", script=path).message.endswith("<***")


def test_environment_is_bare_when_ours_holds_more(
    fake: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "hidden")
    monkeypatch.setenv("MILVUS_URI", "http://elsewhere")
    path = fake("import os, sys; sys.exit(' '.join(sorted(os.environ)))")
    message = failure(script=path).message
    assert "MILVUS_TOKEN" in message
    assert "SECRET_KEY" not in message
    assert "MILVUS_URI" not in message


def test_no_process_is_left_when_script_hangs(
    fake: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "IMPORT_ALLOWANCE_S", 0.5)
    started = time.monotonic()
    assert failure(timeout_s=1, script=fake(hanging(tmp_path))).cause is Cause.TIMEOUT
    assert time.monotonic() - started < 3
    child = int((tmp_path / "child").read_text())
    wait_until(lambda: not is_alive(child), 2, "the script's child to be gone")


def test_runs_take_turns_when_several_are_asked_for(
    fake: Callable[[str], Path], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    path = fake(
        f"import time\nf = open({str(log)!r}, 'a', 1)\nf.write('in ')\ntime.sleep(.1)\n"
        "f.write('out ')\nprint('{\"result\": \"created\"}')"
    )
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: run_script("http://x", "", "c", "p", 10, path), range(4)))
    assert log.read_text() == "in out " * 4


def test_run_times_out_when_its_turn_does_not_come(fake: Callable[[str], Path]) -> None:
    path = fake('import time; time.sleep(1.5); print(\'{"result": "created"}\')')
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(run_script, "http://x", "", "c", "p", 5, path)
        wait_until(is_held, 3, "the first run to have its turn")
        assert failure(timeout_s=0.2, script=path).cause is Cause.TIMEOUT
        assert first.result() == ScriptAnswer("created")


def hanging(directory: Path) -> str:
    return (
        "import os, time\n"
        "if os.fork() == 0:\n"
        f"    open({str(directory / 'child')!r}, 'w').write(str(os.getpid()))\n"
        "time.sleep(600)\n"
    )


def is_held() -> bool:
    path = Path(tempfile.gettempdir()) / f"paratia-script-{os.getuid()}.lock"
    with path.open() as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
