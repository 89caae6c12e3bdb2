"""Numbers about the ledger, for people. Nothing here changes an email."""
