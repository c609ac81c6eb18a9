"""Which trial next: every cell of a grid, or what a search asks for."""
