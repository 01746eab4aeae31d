"""rq-dashboard, mounted with restrictions."""
