"""The admin panel: overview, tenants, partitions, and the job queue's own dashboard."""
