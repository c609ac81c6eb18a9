"""From records to tables, figures, pages and pictures."""
