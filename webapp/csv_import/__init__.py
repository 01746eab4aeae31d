"""Imports of tenants from CSV files: checked first, then created."""
