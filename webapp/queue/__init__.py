"""The job queue: what is put into RQ, which jobs are ours, and what is seen of it."""
