"""Ways of giving up on a poor setting, one per file."""
