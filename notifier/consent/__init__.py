"""Preferences of users, and addresses to which nothing may be sent."""
