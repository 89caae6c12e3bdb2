"""The measured program's part of the protocol with the bench. It uses only the standard library.

A program prints "ready", waits for "go", works, prints "done" and a line of JSON, and stays until its
standard input ends, so that its CPU seconds can still be read.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from notifier.dev.process import die_with_parent

#: Facts that a program adds about its run.
Facts = dict[str, Any]

#: The kernel kills forked children with their parent.
os.register_at_fork(after_in_child=die_with_parent)


def serve(work: Callable[[], Facts]) -> None:
    """Run `work` once for every "go"."""
    _say("ready")
    for line in sys.stdin:
        if line.strip() == "go":
            _say("done " + json.dumps(work()))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def mails() -> int:
    """Return the number of emails of this run."""
    return int(os.environ["BENCH_MAILS"])


def smtp_port() -> int:
    """Return the port of the sink on 127.0.0.1."""
    return int(os.environ["BENCH_SMTP_PORT"])


def dsn() -> str:
    """Return the database, for psycopg."""
    return os.environ["BENCH_DSN"]


def flat_templates() -> Path:
    """Return the folder of the flat templates (`bench/mails.py`)."""
    return Path(os.environ["BENCH_FLAT"])


def people_sql() -> str:
    """Return the recipients in the order of their keys: id, email, display_name."""
    return f"SELECT id, email, display_name FROM notifier_users ORDER BY id LIMIT {mails()}"
