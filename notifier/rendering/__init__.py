"""From a row to bytes: compose, render, encode. No network, no database."""
