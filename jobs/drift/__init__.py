"""Drift: the difference between Milvus and the database, its report and its repair."""
