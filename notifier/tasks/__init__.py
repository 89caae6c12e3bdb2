"""What workers do, and the only way in which work reaches them."""
