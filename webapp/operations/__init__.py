"""Work on many tenants that somebody asked for once: retries, wishes, deletions."""
