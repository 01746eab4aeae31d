"""Drift: what Milvus has, compared with what the database wants, and what is done about it."""
