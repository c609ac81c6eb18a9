"""Datasets, one per file: images with their annotations."""
