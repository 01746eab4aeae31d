"""Runs supervisord, which runs the parts, and restarts it when it dies."""

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from launch import sessions
from launch.parts import Part, program, wrapped
from launch.restarts import started_stamp
from launch.settings import PROJECT_ROOT

# `here` is this file's folder, so that its path needs no quoting; the default of childlogdir does.
SUPERVISORD = """\
[supervisord]
nodaemon=true
pidfile=%(here)s/supervisord.pid
logfile=%(here)s/log/supervisor.log
childlogdir=%(here)s/log
logfile_maxbytes=10MB
logfile_backups=3
loglevel=warn"""

GROUP = """
[group:{name}]
programs={programs}
priority={priority}
"""

# With startsecs=0 every start counts as successful, so a part is restarted for ever; the wrapper
# pauses before it. The path of the log is expanded twice.
PROGRAM = """
[program:{part.name}]
command={command}
startsecs=0
autorestart=true
stopsignal={part.stop_signal}
stopwaitsecs={part.stop_wait_s}
killasgroup=true
redirect_stderr=true
stdout_logfile=%%(here)s/log/{part.name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
"""

STOP_WITHIN_S = 22.0
ORPHANS_STOP_WITHIN_S = 8.0


class Supervisor:
    """One supervisord in a session of its own, by which all its descendants are found."""

    def __init__(self, var_dir: Path, parts: Sequence[Part]) -> None:
        self._var_dir = var_dir
        self._config = var_dir / "supervisord.conf"
        self._gate = var_dir / "run" / "prepared"
        self._config.write_text(_configuration(var_dir, self._gate, parts))
        for engine in (part for part in parts if part.is_engine):
            (var_dir / engine.name).mkdir(exist_ok=True)

    def start(self) -> None:
        """Start the engines; the other parts wait for `open_gate`."""
        self._gate.unlink(missing_ok=True)
        self._spawn()

    def open_gate(self) -> None:
        """Let the other parts start: the set-up is done."""
        self._gate.parent.mkdir(exist_ok=True)
        self._gate.touch()

    def is_alive(self) -> bool:
        """Whether supervisord runs. It is not reaped, so its pid stays reserved."""
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    @property
    def session(self) -> int:
        """The number of the session."""
        return self._process.pid

    def restart(self) -> None:
        """After supervisord died: wait for the end of its parts, then start all again."""
        self._end_session(ORPHANS_STOP_WITHIN_S)
        self._spawn()

    def stop(self) -> None:
        """Stop everything. On return, no started process is left."""
        if self.is_alive():
            self._process.send_signal(signal.SIGTERM)
        self._end_session(STOP_WITHIN_S)

    def _spawn(self) -> None:
        command = wrapped(*program("supervisord"), "-c", str(self._config))
        self._process = subprocess.Popen(
            command,
            cwd=PROJECT_ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _end_session(self, within_s: float) -> None:
        if not sessions.ended(self.session, within_s):
            sessions.kill(self.session)
        self._process.wait()


def await_former_run(var_dir: Path) -> None:
    """Wait for the parts of a run whose launcher was killed: they are stopping already."""
    try:
        former = int((var_dir / "supervisord.pid").read_text())
    except (OSError, ValueError):
        return
    sessions.ended(former, STOP_WITHIN_S)


def _configuration(var_dir: Path, gate: Path, parts: Sequence[Part]) -> str:
    # Naming the user silences a warning of supervisord.
    sections = [SUPERVISORD, *(["user=root"] if os.getuid() == 0 else [])]
    # Groups stop one after the other, the engines last; the parts of a group stop together.
    for group, priority, are_engines in (("engines", 1, True), ("product", 2, False)):
        names = [part.name for part in parts if part.is_engine == are_engines]
        if names:
            sections.append(GROUP.format(name=group, programs=",".join(names), priority=priority))
    for part in parts:
        after = None if part.is_engine else gate
        command = wrapped(*part.command, paced_by=started_stamp(var_dir, part.name), after=after)
        sections.append(PROGRAM.format(part=part, command=_quoted(command)))
    return "\n".join(sections)


def _quoted(command: Sequence[str]) -> str:
    """The command on one line of the file; ' #' and ' ;' would begin a comment."""
    words = re.sub(r"(?<=\s)(?=[#;])", "''", shlex.join(command))
    return words.replace("%", "%%")
