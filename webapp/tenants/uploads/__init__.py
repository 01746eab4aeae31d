"""Files of tenants, uploaded to be looked at first and then created."""
