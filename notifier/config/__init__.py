"""Settings: read from the environment once, checked before anything starts."""
