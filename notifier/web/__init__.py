"""The public pages: signup, verification, consent, health."""
