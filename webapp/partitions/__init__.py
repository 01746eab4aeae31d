"""Partitions: requests for them, their dispatch, their events, and what is known of them."""
