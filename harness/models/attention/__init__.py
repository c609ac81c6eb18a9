"""Capture, reference attention and canvas layout."""
