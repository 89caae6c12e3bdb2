"""gunicorn.conf.py and notifier/gunicorn_conf.py: what the documented commands serve with."""

import runpy
import sys
from pathlib import Path

import pytest
from gunicorn.app.wsgiapp import WSGIApplication

ROOT = Path(__file__).parents[2]


@pytest.fixture(
    params=[
        ["gunicorn", "wsgi:app"],
        ["gunicorn", "-c", "python:notifier.gunicorn_conf", "notifier.wsgi:app"],
    ],
    ids=["checkout", "installed"],
)
def loaded(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WSGIApplication:
    """gunicorn as the documented commands configure it: the first one reads the file in the checkout."""
    for name in ("WEB_CONCURRENCY", "WEB_THREADS", "FORWARDED_ALLOW_IPS", "GUNICORN_CMD_ARGS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path if "-c" in request.param else ROOT)
    monkeypatch.setattr(sys, "argv", request.param)
    # Its numbers are read when it is imported.
    monkeypatch.delitem(sys.modules, "notifier.gunicorn_conf", raising=False)
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
        runpy.run_path(str(ROOT / "notifier" / "gunicorn_conf.py"))
    assert failure.value.code == f"{name}: must be a whole number from 1 to {most}"


@pytest.mark.parametrize(("value", "number"), [("", 64), (" ", 64), (" 8\n", 8)])
def test_a_number_means_what_it_says(monkeypatch: pytest.MonkeyPatch, value: str, number: int) -> None:
    monkeypatch.setenv("WEB_THREADS", value)
    assert runpy.run_path(str(ROOT / "notifier" / "gunicorn_conf.py"))["threads"] == number
