"""Numbers about the ledger for people who look at it. Nothing here changes a mail."""
