"""Conditions: the one list of what is not as it should be, for all pages, commands and probes."""
