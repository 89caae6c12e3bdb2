"""Operators: the people who may sign in to the admin.

Nothing is imported here: the writer in another application needs the audit log, and not the libraries for passwords.
"""
