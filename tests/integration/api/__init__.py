"""The JSON API on real databases and a real Redis."""
