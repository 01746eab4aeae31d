"""The pages of uploaded files."""
