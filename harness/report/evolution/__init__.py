"""The evolution of a trial's attention over noise levels: its numbers, figures, pictures and files."""
