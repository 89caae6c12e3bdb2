"""People, their emails, and suppressed addresses."""
