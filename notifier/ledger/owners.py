"""The name of a sending process, under which it claims rows: host, boot of the host, process id, a random part."""

import hashlib
import secrets

#: Characters of a host's name that fit into a name of 64 together with all that follows.
_HOST = 36


def owner_name(host: str, boot: str, pid: int) -> str:
    """Make a new name, 64 characters at most. `boot`: 8 characters that change when the host is started anew."""
    if len(host) > _HOST:
        # Names of containers often differ only at their end.
        host = f"{host[: _HOST - 9]}~{hashlib.sha256(host.encode()).hexdigest()[:8]}"
    return f"{host}-{boot}-{pid}-{secrets.token_hex(4)}"


def host_of(owner: str) -> str:
    """Return the host's part of a name."""
    return owner.rsplit("-", 3)[0]


def boot_of(owner: str) -> str:
    """Return the boot's part of a name; empty for a name that has none."""
    parts = owner.rsplit("-", 3)
    return parts[1] if len(parts) == 4 else ""
