"""Throttling: how fast emails are sent, through which transport, and when not at all."""
