"""How `gunicorn wsgi:app` serves the pages. Read from the folder that it is started in; command line options win.

Threads, because a slow client keeps one for as long as it likes: with 64 in each process, 50 slow ones are held beside
everybody else. More than that is the work of the proxy in front (docs/proxy.md).
"""

import os
import sys


def _number(name: str, default: int, most: int) -> int:
    text = os.environ.get(name, "").strip() or str(default)
    if not text.isascii() or not text.isdecimal() or len(text) > 9 or not 1 <= int(text) <= most:
        sys.exit(f"{name}: must be a whole number from 1 to {most}")
    return int(text)


worker_class = "gthread"
workers = _number("WEB_CONCURRENCY", 2, 500)
threads = _number("WEB_THREADS", 64, 1000)

# Once, before the processes fork: they share its memory, all are ready together, and a wrong setting ends the start.
# New code needs a restart, not a reload (SIGHUP).
preload_app = True

# Longer than a proxy keeps its connections to us (60 s in nginx), so that it never uses one that we close.
keepalive = 65

# Which proxies are believed is TRUSTED_PROXIES alone. gunicorn's own way would believe whoever comes from 127.0.0.1,
# and let the headers SCRIPT_NAME and PATH_INFO say where a request goes.
forwarded_allow_ips = ""

# A worker that cannot write its sign of life is killed: not on a disk that may be full or slow.
if os.path.isdir("/dev/shm"):
    worker_tmp_dir = "/dev/shm"

control_socket_disable = True
