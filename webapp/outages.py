"""One line for the terminal when a database or a Redis cannot be used."""

from redis import RedisError, ResponseError
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from webapp.addresses import without_password
from webapp.db.schema_revision import SchemaBehind
from webapp.queue.redis_writes import refusal_in
from webapp.settings import Settings


def sentence(error: BaseException, settings: Settings) -> str | None:
    """The setting and the driver's first line, masked; None for errors that are no outage."""
    if isinstance(error, SchemaBehind):
        line = str(error)
    elif isinstance(error, RedisError):
        line = f"REDIS_URL: the Redis at {without_password(settings.redis_address)} {_redis(error)}"
    elif isinstance(error, DBAPIError | PoolTimeout):
        # Errors of our own statements, not of the database's state.
        if isinstance(error, DataError | IntegrityError):
            return None
        line = f"{_setting(settings)}: the database cannot be used: {first_line(error)}"
    else:
        return None
    return settings.mask(line)


def _redis(error: RedisError) -> str:
    refusal = refusal_in([error]) if isinstance(error, ResponseError) else None
    remedy = f"takes no writes; {refusal.remedy}" if refusal else "cannot be used"
    return f"{remedy} ({first_line(error)})"


def _setting(settings: Settings) -> str:
    return "DATABASE_URL" if settings.database_url else f"VAR_DIR {settings.var_dir}"


def first_line(error: Exception) -> str:
    """What the driver says, without the statement, whose values may be personal data."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return next(iter(str(cause).splitlines()), type(cause).__name__)
