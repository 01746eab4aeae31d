"""What workers, the reconciler and its commands run; all that talks to Milvus."""
