"""Sections of bench.py, one a file."""
