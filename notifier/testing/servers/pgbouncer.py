"""PgBouncer in transaction mode, in front of a Postgres of this machine."""

import os
import shutil

import psycopg

from notifier.testing.servers.process import UNPRIVILEGED, NotInstalled, Server


def find() -> str:
    """Return the path of PgBouncer. Raise NotInstalled without it."""
    path = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if path is None:
        raise NotInstalled("PgBouncer is missing. Debian: apt-get install pgbouncer")
    return path


class PgBouncerServer(Server):
    """A pool with few server connections, so that each transaction of a client may get another one."""

    drops_root = True

    def __init__(self, upstream_port: int, *, servers: int = 3) -> None:
        """Prepare it.

        Args:
            upstream_port: The port of the Postgres on this machine.
            servers: Connections to it for each database.

        Raise NotInstalled without PgBouncer.
        """
        super().__init__()
        self._binary = find()
        self._upstream = upstream_port
        self._servers = servers

    def url(self, database: str) -> str:
        """Return the address of a database for DATABASE_URL."""
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
                os.chown(path, UNPRIVILEGED, UNPRIVILEGED)
        return [self._binary, "-q", str(folder / "ini")]

    def _ready(self, port: int) -> bool:
        try:
            psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres?connect_timeout=2").close()
        except psycopg.OperationalError:
            return False
        return True
