"""The configuration of `rq worker -c jobs.worker`: where the queue is, and how it logs.

Reading it also loads what jobs need, so that the first sign-up does not wait for imports.
"""

from contextlib import suppress

import jobs.provisioning  # noqa: F401  a job that cannot be imported must stop the start
from jobs.context import worker
from jobs.milvus import load_pymilvus
from jobs.store import StoreError
from webapp.logs import configure_logging, logging_config
from webapp.var_dir import keep_files_private

keep_files_private()
_settings = worker().settings
configure_logging(_settings)
# Without a usable SDK the worker still works: each attempt says so and takes the script.
with suppress(StoreError):
    load_pymilvus()

REDIS_URL = _settings.redis_address
# In this order: a sign-up never waits behind the backfill.
QUEUES = [_settings.partition_queue, _settings.backfill_queue]
DICT_CONFIG = logging_config(_settings)
