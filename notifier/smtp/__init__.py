"""From bytes to an outcome: connections, SMTP phase by phase, what replies mean. No rows."""
