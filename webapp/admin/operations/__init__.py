"""The pages of operations on many tenants."""
