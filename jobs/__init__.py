"""The code of workers, the reconciler and their commands; all calls to Milvus."""
