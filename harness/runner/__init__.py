"""Running planned trials: the coordinator, its parts, and the executors that compute."""
