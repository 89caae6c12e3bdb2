"""Addresses, headers and bytes of an email. Knows neither a server nor a database."""
