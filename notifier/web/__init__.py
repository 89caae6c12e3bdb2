"""The public pages: sign-up, verification, consent, health."""
