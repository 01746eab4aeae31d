"""The pages of work on many tenants."""
