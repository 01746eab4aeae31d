"""Queues and workers, as far as Redis and the database tell of them; the pause."""
