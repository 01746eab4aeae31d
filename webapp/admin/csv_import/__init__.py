"""The pages of file imports."""
