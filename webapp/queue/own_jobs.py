"""Which jobs in Redis are ours, and how they are read: anybody who can write there may have."""

import base64
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis
from rq.job import Job
from rq.serializers import JSONSerializer

from webapp.models.naming import MAX_TENANT_ID

ONE = "jobs.provisioning.create_partition"
CHUNK = "jobs.provisioning.create_partitions"
CHUNK_ID = "chunk-"
# Where RQ keeps the outcomes of a job.
RESULTS = "rq:results:{}"

# The field of a worker's own hash in Redis that tells our workers from other applications'.
APPLICATION_FIELD, APPLICATION = "application", "paratia"

MAX_GENERATION = 2**31 - 1
# As many as `PARTITION_CHUNK_SIZE` allows; each takes some 32 bytes.
MAX_CHUNK = 1000
MAX_DATA_BYTES = 100_000
MAX_REQUEST_ID = 200

_ID_OF_ONE = re.compile(r"t([1-9]\d{0,18})-g(\d{1,10})-d\d{1,10}", re.ASCII)
_ID_OF_MANY = re.compile(rf"{CHUNK_ID}[0-9a-f]{{1,32}}", re.ASCII)
# What is read of a job. Callbacks, webhooks, retries, repeats, dependencies, groups and rate
# limits are none of ours: RQ would act on them.
_READ = (
    *("data", "status", "origin", "description", "timeout", "meta", "worker_name"),
    *("created_at", "enqueued_at", "started_at", "ended_at", "last_heartbeat"),
)


class NotOurs(Exception):
    """The job is none of ours, or cannot be read. The message says which of both, and why."""


@dataclass(frozen=True)
class Call:
    """A call of one of our two functions, as plain JSON and as what it says."""

    data: bytes
    function: str


def tenant_of(job_id: str) -> int | None:
    """The tenant whose job this is; None for a chunk's, and for what is none of ours."""
    found = _ID_OF_ONE.fullmatch(job_id)
    number = int(found[1]) if found else None
    return number if number and number <= MAX_TENANT_ID else None


def is_own_id(job_id: str | bytes) -> bool:
    """Whether the id has the form of ours; what is no UTF-8 has not."""
    text = job_id.decode(errors="replace") if isinstance(job_id, bytes) else job_id
    return tenant_of(text) is not None or _ID_OF_MANY.fullmatch(text) is not None


def own_call(job_id: str, data: bytes) -> Call:
    """The call that a job of ours stands for: by its id, its function and its arguments.

    Nothing is imported or unpickled for it.

    Raises:
        NotOurs: any of the three is not as we write it.
    """
    if not is_own_id(job_id):
        raise NotOurs("its id is none of ours")
    plain = _unpacked(data)
    try:
        function, instance, args, kwargs = json.loads(plain)
    except (ValueError, TypeError, RecursionError):
        raise NotOurs("its data cannot be read as JSON") from None
    if function != (ONE if tenant_of(job_id) else CHUNK):
        raise NotOurs(f"it calls {str(function)[:100]!r}")
    if instance is not None or kwargs != {} or not _are_sound(job_id, args):
        raise NotOurs("its arguments are not as we write them")
    return Call(plain, function)


def _unpacked(data: bytes) -> bytes:
    """The data, decompressed where it is compressed, and never more than we write."""
    try:
        plain = _inflated(data)
    except zlib.error:
        plain = data
    if len(plain) > MAX_DATA_BYTES:
        raise NotOurs("its data is larger than any of ours")
    return plain


def _are_sound(job_id: str, args: Any) -> bool:
    if not isinstance(args, list):
        return False
    if found := _ID_OF_ONE.fullmatch(job_id):
        return _is_pair(args) and args == [int(found[1]), int(found[2])]
    if len(args) != 1 or not isinstance(args[0], list):
        return False
    return 1 <= len(args[0]) <= MAX_CHUNK and all(map(_is_pair, args[0]))


def _is_pair(numbers: Any) -> bool:
    """A tenant's number and a generation. A bool is an int to Python, and none to us."""
    return (
        isinstance(numbers, list)
        and [type(number) for number in numbers] == [int, int]
        and 1 <= numbers[0] <= MAX_TENANT_ID
        and 0 <= numbers[1] <= MAX_GENERATION
    )


def failure_in(results: Any) -> str | None:
    """What the last outcome of a job says of its failure; None where it says none to be read."""
    try:
        told = base64.b64decode(results[0][1][b"exc_string"])
        return _inflated(told).decode(errors="replace")
    except (LookupError, TypeError, ValueError, zlib.error):
        return None


def unpacks_to_more_than(most: int, data: bytes) -> bool:
    """Whether it has more bytes, once it is decompressed where it is compressed."""
    try:
        return len(_inflated(data, most)) > most
    except zlib.error:
        return len(data) > most


def _inflated(data: bytes, most: int = MAX_DATA_BYTES) -> bytes:
    return zlib.decompressobj().decompress(data, most + 1)


class OwnJob(Job):
    """A job of ours, read from Redis without what RQ would act on by itself."""

    def restore(self, raw_data: Mapping[bytes, bytes]) -> None:
        """Take over the fields that are read.

        Raises:
            NotOurs: the job is none of ours, or a field cannot be read.
        """
        fields = {name: raw_data[key] for name in _READ if (key := name.encode()) in raw_data}
        fields["data"] = own_call(self.id, fields.get("data", b"")).data
        try:
            super().restore(fields)
        except Exception as error:  # noqa: BLE001  RQ takes its own fields for granted
            raise NotOurs(f"it cannot be read: {type(error).__name__}") from None
        request_id = self.meta.get("request_id") if isinstance(self.meta, dict) else None
        is_one = isinstance(request_id, str) and len(request_id) <= MAX_REQUEST_ID
        self.meta = {"request_id": request_id} if is_one else {}


def read_own(connection: Redis, job_ids: Sequence[str]) -> list[OwnJob]:
    """Those of the jobs that are there and ours; all others are left out.

    Raises:
        RedisError: Redis did not answer.
    """
    own = [job_id for job_id in job_ids if is_own_id(job_id)]
    pipeline = connection.pipeline(transaction=False)
    for job_id in own:
        pipeline.hgetall(Job.key_for(job_id))
    # A key of another kind is an error of its own, and no reason to leave the others.
    hashes = pipeline.execute(raise_on_error=False)
    found = (_read(connection, job_id, each) for job_id, each in zip(own, hashes, strict=True))
    return [job for job in found if job]


def _read(connection: Redis, job_id: str, fields: Any) -> OwnJob | None:
    if not isinstance(fields, dict) or not fields:
        return None
    job = OwnJob(job_id, connection=connection, serializer=JSONSerializer)
    try:
        job.restore(fields)
    except NotOurs:
        return None
    return job
