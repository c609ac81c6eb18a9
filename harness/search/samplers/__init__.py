"""Ways of proposing the next setting, one per file."""
