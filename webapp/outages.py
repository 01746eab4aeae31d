"""A database or a Redis that cannot be used, in one line for whoever started a process."""

from redis import RedisError, ResponseError
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from webapp.addresses import without_password
from webapp.queue.redis_writes import refusal_in
from webapp.settings import Settings


def sentence(error: BaseException, settings: Settings) -> str | None:
    """What cannot be used, by which setting, and the driver's first line; no secret of these.

    None for any other error, whose traceback is wanted.
    """
    if isinstance(error, RedisError):
        told = f"REDIS_URL: the Redis at {without_password(settings.redis_address)} {_redis(error)}"
    elif isinstance(error, DBAPIError | PoolTimeout):
        # These two are of our own statements, and of no database's state.
        if isinstance(error, DataError | IntegrityError):
            return None
        told = f"{_setting(settings)}: the database cannot be used: {_first_line(error)}"
    else:
        return None
    return settings.mask(told)


def _redis(error: RedisError) -> str:
    refusal = refusal_in([error]) if isinstance(error, ResponseError) else None
    remedy = f"takes no writes; {refusal.remedy}" if refusal else "cannot be used"
    return f"{remedy} ({_first_line(error)})"


def _setting(settings: Settings) -> str:
    return "DATABASE_URL" if settings.database_url else f"VAR_DIR {settings.var_dir}"


def _first_line(error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return next(iter(str(cause).splitlines()), type(cause).__name__)
