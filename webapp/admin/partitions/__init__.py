"""The page of partitions: by cause, all, and drift."""
