"""The overview: the first page of the panel."""
