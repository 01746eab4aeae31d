"""The audit: who did what, when, from where."""
