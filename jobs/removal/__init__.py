"""Removal: the partition of a deleted tenant is dropped, with proof."""
