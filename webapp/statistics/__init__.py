"""What happened over time, counted as it happens, so that charts cost little."""
