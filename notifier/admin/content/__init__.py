"""The content of campaigns."""
