"""Name a sending process, for its claims: host, boot of the host, process id, a random part."""

import hashlib
import secrets

#: Characters of the host's name that fit into a name of 64 characters.
_HOST = 36


def owner_name(host: str, boot: str, pid: int) -> str:
    """Make a new name of 64 characters at most. `boot` is 8 characters that change with each boot of the host."""
    if len(host) > _HOST:
        # Container names often differ only at the end, so a digest of the whole name is kept.
        host = f"{host[: _HOST - 9]}~{hashlib.sha256(host.encode()).hexdigest()[:8]}"
    return f"{host}-{boot}-{pid}-{secrets.token_hex(4)}"


def host_of(owner: str) -> str:
    """Return the host's part of a name."""
    return owner.rsplit("-", 3)[0]


def boot_of(owner: str) -> str:
    """Return the boot's part of a name; empty for a name that has none."""
    parts = owner.rsplit("-", 3)
    return parts[1] if len(parts) == 4 else ""
