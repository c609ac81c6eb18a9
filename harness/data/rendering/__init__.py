"""Renderers of scenes: bodies, meshes and point clouds -> pixels, masks and visibility."""
