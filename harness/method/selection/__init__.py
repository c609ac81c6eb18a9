"""Ways of choosing K of N tokens, one per file."""
