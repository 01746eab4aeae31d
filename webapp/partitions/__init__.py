"""Partitions: requests, dispatch, events, and the state of drift, pause and circuit."""
