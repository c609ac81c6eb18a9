"""One trial: optimise tokens, find keypoints, score them. `trial` is the main flow; docs/method.md has the formulas."""
