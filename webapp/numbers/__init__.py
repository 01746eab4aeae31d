"""Numbers: no tenant gets one that is or was in use, also after a restore of the database."""
