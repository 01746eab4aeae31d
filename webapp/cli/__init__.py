"""The `flask` commands of the web side."""
