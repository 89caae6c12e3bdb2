"""Building blocks of the admin's pages."""
