"""The audit: its entries, and the search of them."""
