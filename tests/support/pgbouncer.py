"""PgBouncer in transaction mode, in front of a Postgres of the tests."""

import os
import shutil

import psycopg
import pytest

from tests.support.process import NOBODY, Server

HOW = "NOT RUN: no PgBouncer was found. Debian: apt-get install pgbouncer"


def find() -> str:
    """The path of a PgBouncer; without one the test is not run, loudly, or fails under REQUIRE_PGBOUNCER=1."""
    path = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if path is None:
        if os.environ.get("REQUIRE_PGBOUNCER") == "1":
            pytest.fail(HOW)
        pytest.skip(HOW)
    return path


class PgBouncerServer(Server):
    """Few server connections for many clients, so that every transaction may meet another server."""

    needs_nobody = True

    def __init__(self, upstream_port: int, *, servers: int = 3) -> None:
        """`upstream_port`: of the Postgres on this machine; `servers`: connections to it for each database."""
        super().__init__(None)
        self._binary = find()
        self._upstream = upstream_port
        self._servers = servers

    def url(self, database: str) -> str:
        """For DATABASE_URL."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def _argv(self, port: int) -> list[str]:
        folder = self.home / "pgbouncer"
        folder.mkdir(exist_ok=True)
        (folder / "users").write_text('"postgres" ""\n')
        (folder / "ini").write_text(
            f"[databases]\n* = host=127.0.0.1 port={self._upstream}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {folder / 'users'}\npool_mode = transaction\n"
            f"default_pool_size = {self._servers}\nmax_client_conn = 500\nquery_wait_timeout = 5\n"
        )
        if os.geteuid() == 0:
            for path in (folder, *folder.iterdir()):
                os.chown(path, NOBODY, NOBODY)
        return [self._binary, "-q", str(folder / "ini")]

    def _ready(self, port: int) -> bool:
        try:
            psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres?connect_timeout=2").close()
        except psycopg.OperationalError:
            return False
        return True
