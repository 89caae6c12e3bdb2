"""Describe the machine of a measurement: figures mean nothing without it."""

import os
import platform
import re
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from notifier.dev.broker import find_server, server_version
from notifier.testing.servers.postgres import postgres_binaries

_OURS = ("celery", "flask", "flask-mail", "sqlalchemy", "psycopg")
_OTHERS = ("django", "django-post-office", "psycopg")
_ASK = (
    "import sys; from importlib.metadata import version; print(*(f'{n} {version(n)}' for n in sys.argv[1:]), sep=', ')"
)


def describe(other_python: str, scratch: Path) -> dict[str, str]:
    """Return a description without the name of the machine or its paths."""
    return dict(_lines(other_python, scratch))


def _lines(other_python: str, scratch: Path) -> Iterator[tuple[str, str]]:
    cores = len(os.sched_getaffinity(0))
    yield "Machine", f"{cores} cores ({_cpu()}), {_memory_gb():.0f} GB, {platform.system()} {platform.machine()}"
    yield "Load average at the start", f"{os.getloadavg()[0]:.1f}"
    servers = f"{_postgres(scratch)}, Valkey {'.'.join(map(str, server_version(find_server())))}"
    yield "Servers", f"{servers}, all on this machine, beside the contenders"
    yield "Python", f"{platform.python_version()}; " + ", ".join(f"{name} {version(name)}" for name in _OURS)
    if Path(other_python).exists():
        asked = subprocess.run(
            [other_python, "-c", _ASK, *_OTHERS], capture_output=True, text=True, check=True, timeout=30
        )
        yield "In the other environment", asked.stdout.strip()


def _cpu() -> str:
    found = re.search(r"(?m)^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text())
    return found[1].strip() if found else platform.processor() or "unknown"


def _memory_gb() -> float:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9


def _postgres(scratch: Path) -> str:
    binary = postgres_binaries(scratch) / "postgres"
    asked = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True, timeout=30)
    return asked.stdout.strip().replace("postgres (PostgreSQL)", "PostgreSQL")
