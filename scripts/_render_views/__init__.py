"""How rendered meshes lie on disk."""
