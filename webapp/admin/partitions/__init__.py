"""The page of partitions: by cause, all, drift, queues."""
