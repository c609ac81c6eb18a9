"""What is kept of trials: records on disk, and their mirror in MLflow."""
