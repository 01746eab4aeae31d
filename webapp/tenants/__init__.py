"""Tenants: creation, names and slugs, lists, deletion, export."""
