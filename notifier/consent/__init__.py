"""What people want and what must not be sent to them."""
