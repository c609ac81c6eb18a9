"""Parts of compare_samplers.py."""
