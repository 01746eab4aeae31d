"""Halts: what keeps Milvus from being changed: the pause, brakes, a restore, the open circuit."""
