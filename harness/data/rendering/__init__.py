"""Drawing scenes: bodies, meshes and point clouds to pixels, masks and visibility."""
