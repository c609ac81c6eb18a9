"""Base diffusion models, one per file, always frozen."""
