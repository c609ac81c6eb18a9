"""One file per output format of the tables."""
