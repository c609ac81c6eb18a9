"""The parts of the coordinator: what becomes of an attempt, what is written and told of it, what is repaired first."""
