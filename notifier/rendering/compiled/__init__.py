"""Compile templates into constant bytes with holes for values."""
