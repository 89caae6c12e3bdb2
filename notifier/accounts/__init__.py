"""Accounts of people: sign-up, confirmation, erasure."""
