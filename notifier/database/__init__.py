"""Engines, transactions, clocks and errors of the database, for both SQLite and Postgres."""
