"""The processes of the product: their signs of life, and whether their settings agree."""
