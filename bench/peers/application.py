"""A peer's application: does what each line on stdin says, and answers with a line.

Run as `python -m bench.peers.application rq_app`. `fill N` stores tenants, `backfill` enqueues a
job for each that is not ready, `sign_up` stores one and enqueues its job.
"""

import importlib
import os
import secrets
import sys

from bench.peers.rows import Rows


def main() -> None:
    enqueue = importlib.import_module(f"bench.peers.{sys.argv[1]}").enqueue
    rows = Rows(os.environ["BENCH_DATABASE"])
    print("started", flush=True)
    for line in sys.stdin:
        match line.split():
            case ["fill", tenants]:
                rows.fill(int(tenants))
            case ["backfill"]:
                for number in rows.waiting():
                    enqueue(number)
            case ["sign_up"]:
                enqueue(rows.insert("Tenant", secrets.token_hex(8)))
        print("done", flush=True)


if __name__ == "__main__":
    main()
