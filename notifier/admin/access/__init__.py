"""Sign-in, and an operator's own account."""
