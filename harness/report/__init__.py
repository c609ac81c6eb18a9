"""Tables, and one renderer per format."""
