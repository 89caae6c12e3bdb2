"""Configuration of `gunicorn -c python:notifier.gunicorn_conf notifier.wsgi:app`; command line options take precedence.

In a checkout, gunicorn finds it by itself in `gunicorn.conf.py`.

It uses threads, because a slow client occupies one for as long as it likes: with 64 in each process, 50 slow clients
don't block the others. More than that is the job of the proxy in front (docs/proxy.md).
"""

import logging
import os
import sys
from typing import Any

from notifier.security.redaction import redacted
from notifier.services import services_of


def _number(name: str, default: int, most: int) -> int:
    text = os.environ.get(name, "").strip() or str(default)
    if not text.isascii() or not text.isdecimal() or len(text) > 9 or not 1 <= int(text) <= most:
        sys.exit(f"{name}: must be a whole number from 1 to {most}")
    return int(text)


worker_class = "gthread"
workers = _number("WEB_CONCURRENCY", 2, 500)
threads = _number("WEB_THREADS", 64, 1000)

# Once, before the processes fork: they share its memory, all are ready together, and invalid settings stop the start.
# New code needs a restart, not a reload (SIGHUP).
preload_app = True

# Longer than a proxy keeps its connections to us (60 s in nginx), so that it never uses one that we close.
keepalive = 65

# TRUSTED_PROXIES alone decides which proxies are trusted. gunicorn itself would trust every client at 127.0.0.1, and
# let the headers SCRIPT_NAME and PATH_INFO change the path of a request.
forwarded_allow_ips = ""

# A worker that cannot write its sign of life is killed, so the file must not be on a disk that may be full or slow.
if os.path.isdir("/dev/shm"):
    worker_tmp_dir = "/dev/shm"

control_socket_disable = True


def on_starting(server: Any) -> None:
    """Let gunicorn's own lines repeat no key, token or address of a request that it cannot read."""
    server.log.error_log.addFilter(_redact)


def _redact(record: logging.LogRecord) -> bool:
    record.msg, record.args = redacted(record.getMessage()), None
    return True


def when_ready(server: Any) -> None:
    """Build pages and API, which other processes never need, before the workers fork."""
    app = server.app.wsgi()
    for name in ("notifier.doors", "notifier.api"):
        built = getattr(app, "extensions", {}).get(name)
        if built is not None:
            built.ready()


def post_worker_init(worker: Any) -> None:
    """Let a thread of each process publish the keys of emails: no request waits for the broker."""
    services_of(worker.wsgi).outbox.relay()


def worker_exit(_server: Any, worker: Any) -> None:
    """Publish the last keys, unless the application could not be loaded."""
    if hasattr(worker, "wsgi"):
        services_of(worker.wsgi).outbox.close()
