"""A redis-server of its own for the tests, over a unix socket or a port of the loopback address."""

from itertools import count
from pathlib import Path

from redis import Redis, RedisError

from launch.errors import StartError
from launch.parts import redis_server
from tests.engines.availability import EngineMissing
from tests.engines.process import ServerProcess, free_port

NAME = "redis"
# One for each test that wants its own; an empty one costs Redis next to nothing.
DATABASES = 16_384


def executable() -> str:
    """The server that `make run` would start.

    Raises:
        EngineMissing: when there is none.
    """
    try:
        return redis_server()
    except StartError as error:
        raise EngineMissing(NAME, str(error)) from error


class RedisServer(ServerProcess):
    """Redis, with append-only persistence or none, in the directory, whose path must be short."""

    def __init__(self, directory: Path, *, over_tcp: bool = False, persists: bool = True) -> None:
        appendonly = "yes" if persists else "no"
        command = [executable(), "--dir", str(directory), "--appendonly", appendonly, "--save", ""]
        command += ["--databases", str(DATABASES)]
        if over_tcp:
            port = free_port()
            self.url = f"redis://127.0.0.1:{port}/0"
            command += ["--bind", "127.0.0.1", "--port", str(port)]
        else:
            self.url = f"unix://{directory}/redis.sock"
            command += ["--port", "0", "--unixsocket", f"{directory}/redis.sock"]
        self._databases = count(1)
        super().__init__(command=command, log=directory / "redis.log", answers=self._answers)

    def new_database(self) -> str:
        """Address of a database of its own: queues, jobs and workers of others are not in it."""
        return f"{self.url.removesuffix('/0')}?db={next(self._databases)}"

    def flush(self) -> None:
        """Lose everything it holds, as an operator's FLUSHALL does."""
        with Redis.from_url(self.url) as client:
            client.flushall()

    def _answers(self) -> bool:
        try:
            with Redis.from_url(self.url, socket_timeout=1) as client:
                return bool(client.ping())
        except RedisError:
            return False
