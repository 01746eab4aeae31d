"""The configuration of `rq worker -c jobs.worker`; `flask worker` loads it too.

The import also loads what jobs need, so that the first sign-up does not wait for imports.
"""

from contextlib import suppress
from typing import Any

import click
from rq.worker import BaseWorker

from jobs.context import worker
from jobs.milvus.client import load_pymilvus
from jobs.milvus.store import StoreError
from jobs.queue_worker import PartitionWorker, queue_worker
from webapp.logs import configure_logging, logging_config
from webapp.var_dir import keep_files_private, keep_temporary_files

_command = click.get_current_context(silent=True)
if _command and _command.info_name == "worker-pool":
    # A pool's workers are processes that need not read this configuration.
    raise click.UsageError("A pool cannot be made safe. Start `flask worker` as often as wanted.")

keep_files_private()
_settings = worker().settings
keep_temporary_files(_settings.var_dir)
configure_logging(_settings)
# Without a usable SDK the worker still works: each attempt reports it and uses the script.
with suppress(StoreError):
    load_pymilvus()

REDIS_URL = _settings.redis_address
QUEUES = [_settings.partition_queue, _settings.backfill_queue]
DICT_CONFIG = logging_config(_settings)

_work = BaseWorker.work


def _work_as_ours(named: BaseWorker, *args: Any, **options: Any) -> bool:
    """Work as our class in place of the one that the command line named.

    A configuration of RQ cannot set the classes of worker and job, nor the serializer.
    """
    if isinstance(named, PartitionWorker):
        return _work(named, *args, **options)
    handlers = {"name": named.name, "exception_handlers": named._exc_handlers}
    return queue_worker(_settings, named.queue_names(), **handlers).work(*args, **options)


BaseWorker.work = _work_as_ours  # type: ignore[method-assign, assignment]
