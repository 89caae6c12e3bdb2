"""The tasks of workers, and the only code that hands work to them."""
