"""One trial: optimise tokens, locate keypoints, score them. Main flow: `trial`; formulas: docs/method.md."""
