"""How little a test of a plain room imports: who writes an address rule does not wait for Flask."""

import subprocess
import sys
from pathlib import Path

from tests.conftest import APPLICATIONS, PLAIN

ROOT = Path(__file__).parents[2]


def imported_for(*paths: str) -> set[str]:
    """All modules of a process of its own that collected these tests."""
    code = (
        "import sys, pytest\n"
        f"end = pytest.main(['-n', '0', '-q', '-p', 'no:cacheprovider', '--collect-only', *{paths!r}])\n"
        "print(*sys.modules, file=sys.stderr)\n"
        "sys.exit(end)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return set(done.stderr.split())


def test_plain_rooms_need_no_application() -> None:
    found = imported_for(*(f"tests/{room}" for room in PLAIN))
    assert found & {"notifier.app", "notifier.services", "celery", APPLICATIONS} == set()


def test_a_test_of_addresses_needs_nothing_but_them() -> None:
    found = imported_for("tests/mail/test_addresses.py")
    assert found & {"sqlalchemy", "pydantic", "redis", "psycopg", "structlog"} == set()


def test_all_others_have_the_fixtures_of_applications() -> None:
    assert {APPLICATIONS, "notifier.app"} <= imported_for("tests/mail/test_addresses.py", "tests/web/test_headers.py")
