"""The `flask` commands that talk to Milvus or the queue."""
