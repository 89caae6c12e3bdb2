"""How fast, by which way, and when not."""
