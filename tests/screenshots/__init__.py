"""Pictures of every page: empty, full and failing; wide and narrow; light and dark."""
