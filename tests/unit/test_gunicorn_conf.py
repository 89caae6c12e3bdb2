"""gunicorn.conf.py: what the documented command serves with."""

import subprocess
import sys
from pathlib import Path

import pytest
from gunicorn.app.wsgiapp import WSGIApplication

ROOT = Path(__file__).parents[2]


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> WSGIApplication:
    """gunicorn as `gunicorn wsgi:app` in the checkout configures it."""
    for name in ("WEB_CONCURRENCY", "WEB_THREADS", "FORWARDED_ALLOW_IPS", "GUNICORN_CMD_ARGS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["gunicorn", "wsgi:app"])
    return WSGIApplication()


def test_one_process_alone_holds_fifty_slow_clients(loaded: WSGIApplication) -> None:
    assert loaded.cfg.worker_class_str == "gthread"
    assert loaded.cfg.threads > 50
    assert loaded.cfg.workers == 2


def test_no_header_is_believed_because_of_where_it_comes_from(loaded: WSGIApplication) -> None:
    assert not loaded.cfg.forwarded_allow_ips


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5"])
def test_a_wrong_number_ends_the_start_with_one_line(value: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-S", str(ROOT / "gunicorn.conf.py")],
        env={"WEB_THREADS": value}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert done.stderr == "WEB_THREADS: must be a whole number of 1 or more\n"
