"""What `notifier.testing` needs: pytest only for its fixtures, and nothing of the tests."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "notifier/testing").rglob("*.py")
    if path.name != "fixtures.py"
)


def test_all_but_the_fixtures_do_without_pytest_and_without_tests() -> None:
    code = "import sys; sys.modules |= {'pytest': None, '_pytest': None, 'tests': None, 'bench': None}\n"
    code += "\n".join(f"import {name}" for name in MODULES)
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT, check=True, timeout=50)


def test_servers_and_scripts_load_nothing_of_the_application() -> None:
    """So that a test of them starts quickly."""
    code = (
        "import sys, notifier.testing.smtp_server, notifier.testing.sink, notifier.testing.servers.valkey\n"
        "print(*sorted({'flask', 'sqlalchemy', 'celery', 'time_machine'}.intersection(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
