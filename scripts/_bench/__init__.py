"""Sections of bench.py, one per file."""
