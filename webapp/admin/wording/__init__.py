"""The panel's words: states, causes, times, numbers, actors."""
