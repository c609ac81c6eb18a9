"""The command line: one file per command; files that begin with `_` hold flags, screens and files they share."""
