"""The first page: how things are in one sentence, and the figures behind it."""
