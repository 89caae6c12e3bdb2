"""Templates compiled into constant bytes with holes."""
