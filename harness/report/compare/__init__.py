"""Comparisons: two settings scene by scene, a report with an earlier one, a setting with its defaults."""
