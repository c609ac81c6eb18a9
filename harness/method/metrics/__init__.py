"""Metric families, one per file: pure functions of what a trial observed."""
