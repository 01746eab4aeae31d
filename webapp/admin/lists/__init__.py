"""Lists of tenants: filters, pages, selection, export."""
