"""Decides which trial runs next: the next cell of a grid, or the next proposal of a search."""
