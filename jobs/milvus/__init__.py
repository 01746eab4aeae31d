"""Milvus: the calls that are made, their client, the script, the deadline of each call."""
