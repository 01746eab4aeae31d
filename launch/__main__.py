"""`make run`: starts the product with all it needs, tends it, and stops it as a whole."""

import http.client
import signal
import sys
import threading
from contextlib import ExitStack

from launch import places
from launch.errors import StartError
from launch.follow import follow, say
from launch.parts import parts
from launch.prepare import Stopped, prepare
from launch.supervise import Supervisor, await_former_run
from webapp.settings import Settings, SettingsError, load_settings

POLL_S = 0.2


def main() -> int:
    """The exit status: 0 stopped as asked, 1 cannot start here, 2 unusable settings."""
    stop = _stop_on_signals()
    try:
        settings = load_settings()
        with ExitStack() as held:
            _take_places(settings, held)
            _run(settings, stop)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except StartError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()
    # Who started us under nohup wants the run to outlive the terminal.
    outlives = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    for signum in (signal.SIGINT, signal.SIGTERM, *(() if outlives else (signal.SIGHUP,))):
        signal.signal(signum, lambda *_: stop.set())
    return stop


def _take_places(settings: Settings, held: ExitStack) -> None:
    held.enter_context(places.only_run(settings.var_dir))
    await_former_run(settings.var_dir)
    places.require_web_port(settings.port)
    if settings.milvus_is_embedded:
        held.enter_context(places.milvus_port(settings))
    if settings.redis_is_embedded:
        places.settle_redis_socket(settings)


def _run(settings: Settings, stop: threading.Event) -> None:
    wanted = parts(settings)
    supervisor = Supervisor(settings.var_dir, wanted)
    follow(settings.var_dir / "log", ["supervisor", *(part.name for part in wanted)])
    say("Starting …\n")
    supervisor.start()
    try:
        password = prepare(settings, stop)
        supervisor.open_gate()
        _tend(supervisor, settings, password, stop)
    except Stopped:
        pass
    finally:
        say("Stopping …\n")
        supervisor.stop()


def _tend(
    supervisor: Supervisor, settings: Settings, password: str | None, stop: threading.Event
) -> None:
    login = _login(settings, password) if password else []
    unsaid = True
    while not stop.wait(POLL_S):
        if not supervisor.is_alive():
            say("The supervisor died; starting it and its parts again.\n")
            supervisor.restart()
        if unsaid and _serves(settings.port):
            say(_block("Paratia is ready. Ctrl-C stops it.", *_addresses(settings), *login))
            unsaid = False
    if unsaid and login:
        say(_block("Stopped before it was ready. The first admin is made.", *login))


def _serves(port: int) -> bool:
    connection = http.client.HTTPConnection(places.LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _addresses(settings: Settings) -> list[str]:
    return [
        f"Panel     http://{places.LOOPBACK}:{settings.port}/admin/",
        f"API       http://{places.LOOPBACK}:{settings.port}/api/docs",
        f"Logs      {settings.var_dir / 'log'}",
    ]


def _login(settings: Settings, password: str) -> list[str]:
    return [
        f"E-mail    {settings.admin_email}",
        f"Password  {password}    (shown this once)",
    ]


def _block(*lines: str) -> str:
    return "\n".join(["", *(f"  {line}" for line in lines), "", ""])


if __name__ == "__main__":
    sys.exit(main())
