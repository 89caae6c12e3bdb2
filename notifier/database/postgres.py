"""Configure Postgres: connecting fails fast, and statements work behind a pooler."""

import select
import threading
import time
from typing import Any, Literal

import psycopg
import structlog
from sqlalchemy import Engine, event

log = structlog.get_logger(__name__)

#: After a connect that failed only after SLOW_SECONDS, other threads fail at once for the next RETRY_SECONDS.
SLOW_SECONDS = 0.5
RETRY_SECONDS = 2.0

#: "auto" means off if there is a pooler such as PgBouncer in front of the server.
PreparedStatements = Literal["auto", "on", "off"]


def engine_options(connect_timeout: int, prepared: PreparedStatements) -> dict[str, Any]:
    """Return arguments for create_engine. `connect_timeout` is in seconds, for a new and for a pooled connection."""
    connect: dict[str, Any] = {
        "connect_timeout": connect_timeout,
        # If the host vanishes, sent data is given up after this many milliseconds, and an idle wait after a minute.
        "tcp_user_timeout": connect_timeout * 3000,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
    }
    if prepared == "off":
        connect["prepare_threshold"] = None
    return {"pool_size": 10, "max_overflow": 10, "pool_timeout": connect_timeout, "connect_args": connect}


def prepare(engine: Engine, connect_timeout: int, prepared: PreparedStatements) -> None:
    """Guard the connects of `engine`; with `auto`, look for a pooler on each new connection (one round trip)."""
    event.listen(engine, "do_connect", _Door(connect_timeout).connect)
    if prepared == "auto":
        event.listen(engine, "connect", _mind_pooler)


class _Door:
    """While a server does not answer, let one thread at a time wait for it; the others fail at once."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._lock = threading.Lock()
        #: Monotonic seconds; 0 while connecting works.
        self._closed_until = 0.0

    def connect(self, dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:
        """Connect, as SQLAlchemy's do_connect handler. Raise psycopg.OperationalError."""
        self._pass()
        begun = time.monotonic()
        try:
            connection = dialect.connect(*arguments, **options)
        except psycopg.OperationalError:
            if time.monotonic() - begun > SLOW_SECONDS:
                self._closed_until = time.monotonic() + RETRY_SECONDS
            raise
        self._closed_until = 0.0
        return connection

    def _pass(self) -> None:
        with self._lock:
            now = time.monotonic()
            if now < self._closed_until:
                raise psycopg.OperationalError("the database did not answer a moment ago, and was not asked again")
            if self._closed_until:
                # This thread tries on behalf of all.
                self._closed_until = now + self._patience


def ping(connection: Any, seconds: float) -> None:
    """Check that an idle connection's server answers. Raise psycopg.OperationalError if not within `seconds`.

    An ordinary statement would wait forever for a server that is frozen.
    """
    raw, deadline = connection.pgconn, time.monotonic() + seconds
    raw.send_query(b"SELECT 1")
    poll = select.poll()
    poll.register(raw.socket, select.POLLIN)
    raw.flush()
    while True:
        if raw.is_busy():
            left = deadline - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                raise psycopg.OperationalError(f"the database did not answer within {seconds:.0f} s")
            raw.consume_input()
            continue
        result = raw.get_result()
        if result is None:
            return
        if result.status != psycopg.pq.ExecStatus.TUPLES_OK:
            raise psycopg.OperationalError("the server ended this connection")


_pooler_logged = threading.Event()


def _mind_pooler(connection: Any, _record: Any) -> None:
    """Prepare no statements behind a pooler: in transaction mode each transaction may get another server connection.

    A pooler gives its clients its own cancel keys, so the reported process id differs from the server's.
    """
    connection.autocommit = True
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    connection.autocommit = False
    if row[0] == connection.info.backend_pid:
        return
    connection.prepare_threshold = None
    if not _pooler_logged.is_set():
        _pooler_logged.set()
        log.info("database.behind_pooler", prepared_statements="off")
