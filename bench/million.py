"""Measure the fan-out to a million users: rows/s, memory, the longest transaction.

First the plain INSERT … SELECT in chunks (bench/fanout.py), then the expansion of a real announcement, with its rule,
its cursor and the messages to the broker, into an empty ledger again.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import psycopg

from bench.children import READY_SECONDS, Child
from bench.contenders import Notifier, Setting
from bench.servers import Stage

DATABASE = "bench_fanout"
LIMIT = 600.0

#: The database alone creates the users: a million of them should not take longer than the measurement.
_USERS = """
INSERT INTO notifier_users (email, identity_key, display_name, locale, timezone, link_nonce, created_at, verified_at)
SELECT 'u' || n || '@example.com', 'u' || n || '@example.com', 'User ' || n, 'en', 'UTC',
       substr(md5(n::text), 1, 22), now(), now()
FROM generate_series(1, %s) AS n
"""


def measure_fanout(stage: Stage, users: int) -> dict[str, Any]:
    """Measure in a separate database, copied from the race's and dropped at the end."""
    stage.execute("TRUNCATE notifier_notifications CASCADE")
    stage.postgres.create_database(DATABASE, template="bench")
    try:
        _populate(stage.postgres.dsn(DATABASE), users)
        with tempfile.TemporaryDirectory(dir=stage.folder) as folder:
            plain = _expand(stage, Path(folder), "bench.fanout")
            _empty(stage.postgres.dsn(DATABASE))
            real = _expand(stage, Path(folder), "bench.programs.campaign_work", "announce")
            stage.forget()
        return plain | {"expansion": real}
    finally:
        stage.postgres.drop_database(DATABASE)


def _populate(dsn: str, users: int) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("TRUNCATE notifier_users CASCADE")
        connection.execute(_USERS, (users,))
        connection.execute("VACUUM ANALYZE notifier_users")
        connection.execute("CHECKPOINT")


def _empty(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("TRUNCATE notifier_notifications CASCADE")
        connection.execute("CHECKPOINT")


def _expand(stage: Stage, folder: Path, *program: str) -> dict[str, Any]:
    dsn = stage.postgres.dsn(DATABASE)
    env = Notifier().env(Setting(stage, folder, 25, 0, 0)) | {"DATABASE_URL": dsn}
    with Child("fanout", [sys.executable, "-m", *program], env, folder) as child:
        child.hear("ready", READY_SECONDS)
        child.say("go")
        facts: dict[str, Any] = json.loads(child.hear("done", LIMIT))
    with psycopg.connect(dsn) as connection:
        counted = connection.execute("SELECT count(*) FROM notifier_notifications").fetchone()
    assert counted is not None
    return {
        "rows": counted[0],
        "seconds": facts["seconds"],
        "rows_per_second": counted[0] / facts["seconds"],
        "longest_transaction_seconds": facts["longest"],
        "memory_before_mb": facts["rss_before"] / 1e6,
        "peak_mb": facts["rss_peak"] / 1e6,
    }
