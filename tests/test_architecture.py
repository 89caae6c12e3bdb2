"""Rules of the house that no linter knows."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "notifier").rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def calls(path: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.Call))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


#: Lines of a file, and of a function; a function that only puts parts together may be longer.
LONGEST_FILE, LONGEST_FUNCTION = 300, 45
WIRING = "notifier/wiring/"


def test_a_file_holds_one_idea_and_a_function_fits_a_screen() -> None:
    found = []
    for path in SOURCES:
        source = path.read_text()
        if source.count("\n") > LONGEST_FILE:
            found.append(name_of(path))
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not name_of(path).startswith(WIRING):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                found += [f"{name_of(path)}:{node.lineno} {node.name}"] if lines > LONGEST_FUNCTION else []
    assert found == []


def test_only_the_publisher_calls_tasks() -> None:
    guilty = {
        name_of(path)
        for path in SOURCES
        for call in calls(path)
        if isinstance(call.func, ast.Attribute) and call.func.attr in {"delay", "apply_async", "send_task"}
        # The Celery object extends what Celery does or asks that of the host, and publishes nothing by itself.
        if ast.unparse(call.func.value) not in ("super()", "self.hosts")
    }
    assert guilty == {"notifier/tasks/publisher.py"}


def test_only_the_ledger_writes_a_status() -> None:
    """No keyword `status=` outside the ledger in a call that makes or changes rows."""
    writes = re.compile(r"\.status = |Status\.\w+\.value|values\([^)]*status=")
    guilty = {name_of(path) for path in SOURCES if writes.search(path.read_text())}
    outside = {name for name in guilty if not name.startswith("notifier/ledger/")}
    assert outside == {"notifier/models/notification.py"}
    assert guilty != outside


def test_only_the_clock_asks_for_the_time() -> None:
    asks = re.compile(r"datetime\.(now|utcnow|today)\(|date\.today\(|time\.time\(")
    guilty = {name_of(path) for path in SOURCES if asks.search(path.read_text())}
    # Servers of their own have the real time, also while a test has frozen that of the application.
    servers = {name_of(path) for room in ("dev", "testing") for path in (ROOT / "notifier" / room).rglob("*.py")}
    assert guilty <= {"notifier/clock.py"} | servers


def imported(path: Path) -> Iterator[str]:
    """The names of the modules, also of those that are started as `-m MODULE`."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"[\w.]+", node.value):
            yield node.value


def test_the_bench_and_the_package_do_without_the_tests() -> None:
    """What they share is in `notifier.testing`."""
    bench = sorted((ROOT / "bench").rglob("*.py"))
    assert {name_of(path) for path in bench for name in imported(path) if name.startswith("tests.")} == set()
    assert {
        name_of(path) for path in SOURCES for name in imported(path) if name.startswith(("tests.", "bench."))
    } == set()


def test_only_its_fixtures_need_pytest() -> None:
    guilty = {name_of(path) for path in SOURCES if {"pytest", "_pytest"}.intersection(imported(path))}
    assert guilty <= {"notifier/testing/fixtures.py"}


def test_parts_of_an_application_are_asked_of_services() -> None:
    """`app.extensions` has no types. "mail" is Flask-Mail's own key."""
    reads = re.compile(r"\.extensions\b(?!\[\"mail\"\])(?! import)")
    guilty = {name_of(path) for path in SOURCES if reads.search(path.read_text())}
    # In a host's application, the key has the Notifier: a host finds it there, and so do these.
    hosts = {
        "notifier/contrib/flask_security.py",
        "notifier/embedding/starting.py",
        "notifier/hosting/worker.py",
        "notifier/testing/fixtures.py",
    }
    # Where the pages and the API are kept, and whether Flask-Migrate is bound.
    kept = {"notifier/doors.py", "notifier/migrating.py"}
    assert guilty - hosts - kept == {"notifier/app.py", "notifier/services.py"}


def test_only_resources_looks_beside_the_package() -> None:
    climbs = re.compile(r"\.parent\.parent|\.parents\[|checkout\(\)[^:]*\) /")
    guilty = {name_of(path) for path in SOURCES if climbs.search(path.read_text())}
    assert guilty == {"notifier/resources.py"}


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt"])
def test_the_locks_name_no_address_and_pin_with_hashes(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    pins = re.findall(r"^[a-z0-9_.\[\],-]+==\S+", text, re.MULTILINE)
    assert len(pins) > 40
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", text)) >= len(pins)
