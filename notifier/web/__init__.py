"""The public pages: signup, verification, health."""
