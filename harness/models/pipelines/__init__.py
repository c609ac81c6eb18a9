"""Frozen models in use: encode, decode, noise, keypoint pass and view pass."""
