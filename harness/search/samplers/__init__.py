"""Samplers, which propose the next setting of a search, one per file."""
