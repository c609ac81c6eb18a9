"""The searches and statistics of compare_samplers.py."""
