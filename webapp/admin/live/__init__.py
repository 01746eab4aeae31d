"""Parts of pages that refresh themselves."""
