"""People, their emails, and addresses that get none."""
