"""rq-dashboard, mounted with its holes closed."""
