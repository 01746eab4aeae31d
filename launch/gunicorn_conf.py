"""How gunicorn serves the application: `gunicorn -c launch/gunicorn_conf.py wsgi:app`."""

import gc
from typing import Any

# Imported before the fork, so that the workers share it and a new one is there at once.
import webapp.application  # noqa: F401
from launch.tether import end_with_parent
from webapp.logs import logging_config
from webapp.settings import load_settings
from webapp.var_dir import UMASK

_settings = load_settings()

bind = f"127.0.0.1:{_settings.port}"
worker_class = "launch.web_worker.WebWorker"
workers = 2
threads = 8
timeout = 60
graceful_timeout = 10
logconfig_dict = logging_config(_settings)
# Requests are logged by the application, with their ids.
logconfig_dict["loggers"]["gunicorn.access"] = {"level": "CRITICAL"}
# Its default place in the home folder would be shared by all runs of one user.
control_socket_disable = True
# No header sets anything in the WSGI environment by itself: webapp/http/proxies.py decides what
# is taken from a proxy, and gunicorn's defaults would take SCRIPT_NAME from anybody beside us.
forwarded_allow_ips = ""
forwarder_headers = ""
secure_scheme_headers: dict[str, str] = {}
# Its own default, 0, would let everybody read what the panel writes.
umask = UMASK


def when_ready(_server: Any) -> None:
    """Keep the workers' garbage collection from copying the memory that they share."""
    gc.freeze()


def post_fork(_server: Any, _worker: Any) -> None:
    """Let a worker end with its master, or it would keep the port from the next one."""
    end_with_parent()
