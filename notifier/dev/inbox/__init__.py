"""The development inbox: an SMTP server that keeps every email, pages to read them, and MailHog's API for tests.

Nothing leaves this process, and nothing is stored: a restart empties it.
"""
