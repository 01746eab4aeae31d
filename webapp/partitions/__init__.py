"""Partitions: requests, dispatch, events, and what is known of drift."""
