"""Recomputes a report's numbers from the trials' files, with other code than wrote them."""
