"""Opening a model's folder or hub snapshot: its files, configs, weights and fingerprint."""
