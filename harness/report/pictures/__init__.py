"""Pictures drawn from captured tensors."""
