"""`make run`: starts the product with all it needs, watches it, and stops it as a whole."""

import errno
import signal
import sys
import threading
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from launch import reservations
from launch.children import Readiness, Unreadable, read_settings
from launch.errors import StartError
from launch.parts import SET_UP, parts
from launch.prepare import Stopped, prepare
from launch.restarts import Restarts
from launch.settings import RunSettings
from launch.supervise import Supervisor, await_former_run
from launch.terminal import following, say
from webapp.var_dir import is_private, keep_files_private, keep_temporary_files

POLL_S = 0.2
# Errors of the disk, in one line; others are bugs, with their traceback.
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})


def main() -> int:
    """The exit status: 0 stopped as asked, 1 cannot start here, 2 unusable settings."""
    stop = _stop_on_signals()
    keep_files_private()
    try:
        settings = read_settings()
        with ExitStack() as held:
            _run(_settled(settings, held), stop)
    except Unreadable as error:
        status: int = error.args[0]
        return status
    except StartError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        print(f"VAR_DIR {settings.var_dir} cannot be used: {error.strerror}.", file=sys.stderr)
        return 1
    return 0


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()
    # Under nohup the run outlives the terminal.
    has_nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    for signum in (signal.SIGINT, signal.SIGTERM, *(() if has_nohup else (signal.SIGHUP,))):
        signal.signal(signum, lambda *_: stop.set())
    return stop


def _settled(settings: RunSettings, held: ExitStack) -> RunSettings:
    """The settings with the addresses that are this run's for as long as `held` is open."""
    held.enter_context(reservations.only_run(settings.var_dir))
    keep_temporary_files(settings.var_dir)
    if not is_private(settings.var_dir):
        say(f"Warning: others may look into VAR_DIR {settings.var_dir}, which is not ours alone.\n")
    await_former_run(settings.var_dir)
    reservations.require_web_port(settings.host, settings.port)
    if settings.milvus_is_embedded:
        port = held.enter_context(reservations.milvus_port(settings))
        settings = replace(settings, milvus_address=f"http://{reservations.LOOPBACK}:{port}")
    if settings.redis_is_embedded:
        settings = replace(settings, redis_socket=reservations.settle_redis_socket(settings))
    return settings


def _run(settings: RunSettings, stop: threading.Event) -> None:
    wanted = parts(settings)
    supervisor = Supervisor(settings.var_dir, wanted)
    names = [part.name for part in wanted]
    with following(settings.var_dir / "log", ["supervisor", SET_UP, *names]):
        say("Starting …\n")
        supervisor.start()
        try:
            password = prepare(settings, stop)
            with closing(Readiness(since=datetime.now(UTC))) as readiness:
                supervisor.open_gate()
                run = _Run(settings, supervisor, readiness, Restarts(settings.var_dir, names))
                run.watch(stop, password)
        except Stopped:
            pass
        finally:
            say("Stopping …\n")
            supervisor.stop()


@dataclass
class _Run:
    """Watches the running parts, and prints what users must know."""

    settings: RunSettings
    supervisor: Supervisor
    readiness: Readiness
    restarts: Restarts

    def watch(self, stop: threading.Event, password: str | None) -> None:
        """Print once when it is ready, and which parts keep dying, until `stop` is set."""
        login = _login(self.settings, password) if password else []
        is_waiting = True
        while not stop.wait(POLL_S):
            self._keep_up()
            if is_waiting and self._is_ready():
                addresses = _addresses(self.settings)
                say(_block("Paratia is ready. Ctrl-C stops it.", *addresses, *login))
                self.readiness.close()
                is_waiting = False
        if is_waiting and login:
            say(_block("Stopped before it was ready. The first admin is made.", *login))

    def _keep_up(self) -> None:
        if not self.supervisor.is_alive():
            say("The supervisor died; starting it and its parts again.\n")
            self.supervisor.restart()
            self.restarts.forget()
            self.readiness.close()
        for complaint in self.restarts.look():
            say(f"\n{complaint}\n\n")

    def _is_ready(self) -> bool:
        """Whether the panel answers, worker and reconciler work, and no part restarts."""
        if self.restarts.are_over():
            return self.readiness.is_reached(self.supervisor.session)
        # A part that died is to show again that it works.
        self.readiness.close()
        return False


def _addresses(settings: RunSettings) -> list[str]:
    return [
        f"Panel     {settings.panel_address}/admin/",
        f"API       {settings.panel_address}/api/docs",
        f"Logs      {settings.var_dir / 'log'}",
    ]


def _login(settings: RunSettings, password: str) -> list[str]:
    return [
        f"E-mail    {settings.admin_email}",
        f"Password  {password}    (shown this once)",
    ]


def _block(*lines: str) -> str:
    return "\n".join(["", *(f"  {line}" for line in lines), "", ""])


if __name__ == "__main__":
    sys.exit(main())
