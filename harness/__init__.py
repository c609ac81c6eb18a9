"""The map of the package."""
