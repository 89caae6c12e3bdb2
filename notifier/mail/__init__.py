"""Addresses, headers and bytes of an email. No server, no database."""
