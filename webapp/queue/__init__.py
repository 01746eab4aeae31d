"""The job queue: pushing jobs to RQ, recognizing our own jobs, and inspection."""
