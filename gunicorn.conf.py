"""How gunicorn serves the pages if it is started in the checkout; `-c python:notifier.gunicorn_conf` is the same."""

from notifier.gunicorn_conf import *  # noqa: F403 (gunicorn reads the names of this module)
