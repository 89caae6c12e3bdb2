"""Our own Flask application, and our Celery, inside the application that embeds us.

`notifier.embedding` imports this package by its name, only if a host wants pages or workers: the writer alone needs no
Flask extension.
"""

from notifier.hosting.building import build

__all__ = ["build"]
