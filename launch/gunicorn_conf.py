"""How gunicorn serves the application: `gunicorn -c launch/gunicorn_conf.py wsgi:app`."""

import gc
import os
from typing import Any

# Imported before the fork, so that the workers share it and a new one is there at once.
import webapp.application  # noqa: F401
from launch.closing import close_without_loss
from launch.wrapper import end_with_parent
from webapp.conditions.watch import Watch
from webapp.health import check_once
from webapp.logs import logging_config
from webapp.models.process import ProcessKind
from webapp.settings import load_settings
from webapp.var_dir import UMASK, keep_temporary_files

_settings = load_settings()
# Each worker has a temporary file, by which the master knows that it is alive.
keep_temporary_files(_settings.var_dir)

bind = _settings.bind
worker_class = "launch.web_worker.WebWorker"
workers = 2
threads = 8
timeout = 60
graceful_timeout = 10
logconfig_dict = logging_config(_settings)
# Requests are logged by the application, with their ids.
logconfig_dict["loggers"]["gunicorn.access"] = {"level": "CRITICAL"}
# Its default path in the home folder is shared by all runs of a user.
control_socket_disable = True
# webapp/http/proxies.py decides which headers of a proxy are trusted; gunicorn's defaults would
# trust SCRIPT_NAME of every local client.
forwarded_allow_ips = ""
forwarder_headers = ""
secure_scheme_headers: dict[str, str] = {}
# With its default, 0, all users could read the panel's files.
umask = UMASK


def when_ready(server: Any) -> None:
    """Keep the workers' garbage collection from copying the memory that they share."""
    gc.freeze()
    close_without_loss(server)


def post_fork(_server: Any, _worker: Any) -> None:
    """End a worker with its master; else it would keep the port."""
    end_with_parent()


def post_worker_init(worker: Any) -> None:
    """Show that this process lives: in each that serves, and never in one that forks others."""
    known = worker.wsgi.extensions
    watch = Watch(known["database"], known["settings"], ProcessKind.WEB, known["schema"])
    watch.heartbeat.start()
    worker.heartbeat = watch.heartbeat
    known["condition_log"] = watch.conditions
    # Before it serves: on a busy machine the first check could last longer than a balancer waits.
    check_once(worker.wsgi)


def worker_exit(_server: Any, worker: Any) -> None:
    """Sign off only at an orderly stop: who ends since the master was killed leaves its sign."""
    if os.getppid() != worker.ppid and hasattr(worker, "heartbeat"):
        worker.heartbeat.fall_silent()
