"""Parts of pages that refresh themselves, at little cost."""
