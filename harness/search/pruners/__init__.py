"""Pruners, which stop poor settings of a search early, one per file."""
