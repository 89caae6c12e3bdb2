"""notifier: the mails that a web application owes its users, each a ledger row first."""
