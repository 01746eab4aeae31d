"""Which jobs in Redis are ours, and how to read them safely: any client may have written them."""

import base64
import json
import re
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from redis import Redis
from rq.job import Job
from rq.serializers import JSONSerializer

from webapp.models.naming import MAX_TENANT_ID

ONE = "jobs.provisioning.create_partition"
CHUNK = "jobs.provisioning.create_partitions"
CHUNK_ID = "chunk-"
# RQ's results of a job.
RESULTS = "rq:results:{}"

# A field of a worker's hash in Redis: it marks our workers.
APPLICATION_FIELD, APPLICATION = "application", "paratia"

MAX_GENERATION = 2**31 - 1
# The maximum of `PARTITION_CHUNK_SIZE`; each takes some 32 bytes.
MAX_CHUNK = 1000
MAX_DATA_BYTES = 100_000
MAX_REQUEST_ID = 200

_ID_OF_ONE = re.compile(r"t([1-9]\d{0,18})-g(\d{1,10})-d\d{1,10}", re.ASCII)
_ID_OF_MANY = re.compile(rf"{CHUNK_ID}[0-9a-f]{{1,32}}", re.ASCII)
# The fields that are read. Our jobs use no callbacks, webhooks, retries, repeats, dependencies,
# groups or rate limits; RQ would act on them.
_READ = (
    *("data", "status", "origin", "description", "timeout", "meta", "worker_name"),
    *("created_at", "enqueued_at", "started_at", "ended_at", "last_heartbeat"),
)


class NotOurs(Exception):
    """The job is not ours, or cannot be read. The message says which, and why."""


def tenant_of(job_id: str) -> int | None:
    """The tenant of a job's id; None for a chunk's, and for an id that is not ours."""
    match = _ID_OF_ONE.fullmatch(job_id)
    number = int(match[1]) if match else None
    return number if number and number <= MAX_TENANT_ID else None


def is_own_id(job_id: str | bytes) -> bool:
    """Whether the id has the form of ours; false for invalid UTF-8."""
    text = job_id.decode(errors="replace") if isinstance(job_id, bytes) else job_id
    return tenant_of(text) is not None or _ID_OF_MANY.fullmatch(text) is not None


def own_call(job_id: str, data: bytes) -> bytes:
    """The call of a job of ours as plain JSON, checked by its id, function and arguments.

    Nothing is imported or unpickled.

    Raises:
        NotOurs: one of the three is not as we write it.
    """
    if not is_own_id(job_id):
        raise NotOurs("its id is none of ours")
    plain = _unpack(data)
    try:
        function, instance, args, kwargs = json.loads(plain)
    except (ValueError, TypeError, RecursionError):
        raise NotOurs("its data cannot be read as JSON") from None
    if function != (ONE if tenant_of(job_id) else CHUNK):
        raise NotOurs(f"it calls {str(function)[:100]!r}")
    if instance is not None or kwargs != {} or not _are_sound(job_id, args):
        raise NotOurs("its arguments are not as we write them")
    return plain


def _unpack(data: bytes) -> bytes:
    try:
        plain = _inflate(data)
    except zlib.error:
        plain = data
    if len(plain) > MAX_DATA_BYTES:
        raise NotOurs("its data is larger than any of ours")
    return plain


def _are_sound(job_id: str, args: Any) -> bool:
    if not isinstance(args, list):
        return False
    if match := _ID_OF_ONE.fullmatch(job_id):
        return _is_pair(args) and args == [int(match[1]), int(match[2])]
    if len(args) != 1 or not isinstance(args[0], list):
        return False
    return 1 <= len(args[0]) <= MAX_CHUNK and all(map(_is_pair, args[0]))


def _is_pair(numbers: Any) -> bool:
    """A tenant's number and a generation; no bools, which Python counts as ints."""
    return (
        isinstance(numbers, list)
        and [type(number) for number in numbers] == [int, int]
        and 1 <= numbers[0] <= MAX_TENANT_ID
        and 0 <= numbers[1] <= MAX_GENERATION
    )


def failure_in(results: Any) -> str | None:
    """The failure in a job's last result; None without a readable one."""
    try:
        packed = base64.b64decode(results[0][1][b"exc_string"])
        return _inflate(packed).decode(errors="replace")
    except (LookupError, TypeError, ValueError, zlib.error):
        return None


def unpacks_to_more_than(most: int, data: bytes) -> bool:
    """Whether the data, decompressed where necessary, is larger than `most` bytes."""
    try:
        return len(_inflate(data, most)) > most
    except zlib.error:
        return len(data) > most


def _inflate(data: bytes, most: int = MAX_DATA_BYTES) -> bytes:
    return zlib.decompressobj().decompress(data, most + 1)


class OwnJob(Job):
    """A job of ours, without the fields that RQ would act on."""

    def restore(self, raw_data: Mapping[bytes, bytes]) -> None:
        """Take over the fields in `_READ`.

        Raises:
            NotOurs: the job is not ours, or a field cannot be read.
        """
        fields = {name: raw_data[key] for name in _READ if (key := name.encode()) in raw_data}
        fields["data"] = own_call(self.id, fields.get("data", b""))
        try:
            super().restore(fields)
        except Exception as error:  # noqa: BLE001  RQ takes its own fields for granted
            raise NotOurs(f"it cannot be read: {type(error).__name__}") from None
        request_id = self.meta.get("request_id") if isinstance(self.meta, dict) else None
        is_one = isinstance(request_id, str) and len(request_id) <= MAX_REQUEST_ID
        self.meta = {"request_id": request_id} if is_one else {}


def read_own(connection: Redis, job_ids: Iterable[str]) -> list[OwnJob]:
    """Those of the jobs that exist and are ours.

    Raises:
        RedisError: Redis did not answer.
    """
    return [job for job in read_own_or_gone(connection, job_ids).values() if job]


def read_own_or_gone(connection: Redis, job_ids: Iterable[str]) -> dict[str, OwnJob | None]:
    """As `read_own`, by id, with None for each id of ours without a job."""
    own = [job_id for job_id in job_ids if is_own_id(job_id)]
    pipeline = connection.pipeline(transaction=False)
    for job_id in own:
        pipeline.hgetall(Job.key_for(job_id))
    # A key of another kind gives an error; the others are read all the same.
    hashes = pipeline.execute(raise_on_error=False)
    jobs: dict[str, OwnJob | None] = {}
    for job_id, fields in zip(own, hashes, strict=True):
        with suppress(NotOurs):
            jobs[job_id] = _read(connection, job_id, fields) if fields else None
    return jobs


def _read(connection: Redis, job_id: str, fields: Any) -> OwnJob:
    if not isinstance(fields, dict):
        raise NotOurs("its key holds no job")
    job = OwnJob(job_id, connection=connection, serializer=JSONSerializer)
    job.restore(fields)
    return job
