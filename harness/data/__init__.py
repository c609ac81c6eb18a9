"""Datasets, one per file: images and what is known about them."""
