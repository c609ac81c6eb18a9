"""From records to rows, columns, cells, tests and notes."""
