"""The isolation check: rows of one partition are not found in another."""
