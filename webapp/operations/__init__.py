"""Operations on many tenants: retries, requests, deletions, restorations."""
