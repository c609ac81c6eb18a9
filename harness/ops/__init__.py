"""Pure functions on tensors: maps, warps, geometry, matching, sampling steps."""
