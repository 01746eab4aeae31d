"""Counts over time, collected as things happen, so that charts cost little."""
