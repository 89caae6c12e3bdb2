"""The measured side's half of the conversation with the bench. Only the standard library.

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

#: What a program adds about its run.
Facts = dict[str, Any]

#: Programs that fork must not leave anybody behind when they are killed.
os.register_at_fork(after_in_child=die_with_parent)


def serve(work: Callable[[], Facts]) -> None:
    """Do `work` once for every "go"."""
    _say("ready")
    for line in sys.stdin:
        if line.strip() == "go":
            _say("done " + json.dumps(work()))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def mails() -> int:
    """How many mails this run is about."""
    return int(os.environ["BENCH_MAILS"])


def smtp_port() -> int:
    """Where the sink listens, on 127.0.0.1."""
    return int(os.environ["BENCH_SMTP_PORT"])


def dsn() -> str:
    """The database, for psycopg."""
    return os.environ["BENCH_DSN"]


def flat_templates() -> Path:
    """The folder of the flat templates (bench/mails.py)."""
    return Path(os.environ["BENCH_FLAT"])


def people_sql() -> str:
    """The recipients in the order of their keys: id, email, display_name."""
    return f"SELECT id, email, display_name FROM notifier_users ORDER BY id LIMIT {mails()}"
