"""Files of tenants that somebody uploads: looked at first, then created."""
