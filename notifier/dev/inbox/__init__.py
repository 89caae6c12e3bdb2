"""The development inbox: an SMTP server that keeps all it gets, pages to read it, MailHog's API for tests.

Nothing leaves this process, and nothing is stored: a restart empties it.
"""
