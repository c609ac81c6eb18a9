"""The records of trials on disk, and their mirror in MLflow."""
