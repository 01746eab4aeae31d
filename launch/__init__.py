"""What `make run` does: it starts all parts of the product, restarts them, and stops them."""
