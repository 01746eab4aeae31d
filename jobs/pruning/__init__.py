"""Pruning: entries that are older than their retention are archived and deleted."""
