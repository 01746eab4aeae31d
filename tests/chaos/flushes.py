"""Redis flushed and killed, again and again, with jobs in it."""

from tests.chaos.faults import redis
from tests.chaos.options import Options
from tests.chaos.storm import weather

TIMES = 20
SIGN_UPS = 12


def run(options: Options) -> bool:
    plan = [redis.FLUSHED, redis.KILLED] * options.share_of(TIMES)
    database = options.databases[0]
    return weather(f"Redis flushed and killed on {database}", database, plan, SIGN_UPS, options)
