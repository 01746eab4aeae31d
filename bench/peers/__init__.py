"""What a peer's own processes run: the same one job, as its documentation would have it done.

Told by the environment: BENCH_DATABASE, BENCH_MILVUS, BENCH_COLLECTION, BENCH_REDIS, BENCH_QUEUE.
Their workers run in `.venv-bench`, so these modules import nothing of the product.
"""
