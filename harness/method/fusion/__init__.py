"""Ways of letting keypoint tokens act on the view pass, one per file."""
