"""Helpers for tests: of notifier itself, of its benchmarks, and of applications and kinds of email built on it.

Start with `notifier.testing.fixtures` (pytest) or the modules here, which work without pytest. See docs/testing.md.
"""
