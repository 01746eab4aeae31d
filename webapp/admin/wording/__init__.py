"""What the panel calls things: states, causes, moments, numbers, people."""
