"""Where trials run: worker processes, this process, or a Ray cluster."""
