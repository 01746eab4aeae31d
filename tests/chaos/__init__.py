"""Kills, freezes, cuts and flushes the running product, and proves that no tenant is lost."""
