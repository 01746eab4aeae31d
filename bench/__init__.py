"""Measures the product beside its peers on the same engines in one run: `python -m bench`."""
