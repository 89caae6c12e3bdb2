"""Turn a ledger row into a message: compose, render, encode. No network."""
