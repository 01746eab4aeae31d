"""Work on many tenants that somebody asked for once: retries, requests, deletions."""
