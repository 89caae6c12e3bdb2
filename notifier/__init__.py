"""Notifier: the emails that a web application sends its users, each a ledger row first."""

__version__ = "0.1.0"
