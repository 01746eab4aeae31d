"""The pages of tenants: the list, one tenant, and what is done to one."""
