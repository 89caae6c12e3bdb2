"""What an application tells us, as rows in the caller's transaction: people, emails to them, what happened to them.

The embedding and the HTTP API are two doors to these functions, so a person, a key and an activity are the same through
both.
"""
