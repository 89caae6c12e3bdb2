"""The ground of everything that is stored: engines, transactions, clocks and errors of the database."""
