"""Turn a message's bytes into an outcome: connections, the SMTP phases, the meaning of replies. No database."""
