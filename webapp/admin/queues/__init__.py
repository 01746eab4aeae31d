"""Queues, workers, and the pause of provisioning."""
