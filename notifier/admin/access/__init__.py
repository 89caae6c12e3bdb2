"""The way in, and one's own account."""
