"""Webhooks of email providers: proof of the sender, and what each says as feedback events. Only `replays` has rows."""
