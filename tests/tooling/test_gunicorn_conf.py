"""gunicorn.conf.py: what the documented command serves with."""

import runpy
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


WRONG = ("0", "-1", "many", "1.5", "nan", "1001", "9" * 400, "4 8", "'4'", "0x10", "4\x01", "\u0664", "4s")


@pytest.mark.parametrize(("name", "most"), [("WEB_CONCURRENCY", 500), ("WEB_THREADS", 1000)])
@pytest.mark.parametrize("value", WRONG)
def test_a_wrong_number_ends_the_start_with_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, most: int, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as failure:
        runpy.run_path(str(ROOT / "gunicorn.conf.py"))
    assert failure.value.code == f"{name}: must be a whole number from 1 to {most}"


@pytest.mark.parametrize(("value", "number"), [("", 64), (" ", 64), (" 8\n", 8)])
def test_a_number_means_what_it_says(monkeypatch: pytest.MonkeyPatch, value: str, number: int) -> None:
    monkeypatch.setenv("WEB_THREADS", value)
    assert runpy.run_path(str(ROOT / "gunicorn.conf.py"))["threads"] == number
