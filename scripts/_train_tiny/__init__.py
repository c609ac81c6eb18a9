"""Train the tiny diffusion models that the package ships: one module per stage, run by scripts/train_tiny.py."""
