"""Tokens, sealing, links, and who sends a request."""
