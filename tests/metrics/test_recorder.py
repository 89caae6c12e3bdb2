"""The memory of a process: what it keeps, what it writes, and what a fork and an outage do to it."""

import os
import time

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from notifier.extensions import db
from notifier.metrics import Recorder, tally
from notifier.metrics.catalogue import API_REQUESTS, CLAIMS, RUN_LATENESS, SMTP_SECONDS
from notifier.metrics.tallies import Counted
from notifier.services import services_of
from tests.support.metrics import counted, scraped


def test_it_writes_sums_once(context: Flask) -> None:
    recorder = services_of(context).recorder
    for _ in range(3):
        recorder.count(CLAIMS, "won", by=2)
    recorder.count(API_REQUESTS, "list_users", "200")
    assert recorder.flush() == 2
    assert recorder.flush() == 0
    assert counted(CLAIMS) == {("won",): 6.0}


def test_a_histogram_counts_each_measurement_once_and_shows_it_up_to_every_bound(context: Flask) -> None:
    recorder = services_of(context).recorder
    for seconds in (0.5, 1.0, 1.5, 1e6):
        recorder.observe(RUN_LATENESS, seconds)
    shown = scraped(context)
    at = {dict(labels)["le"]: number for labels, number in shown["notifier_run_lateness_seconds_bucket"].items()}
    assert (at["1.0"], at["5.0"], at["21600.0"], at["+Inf"]) == (2, 3, 3, 4)
    assert shown["notifier_run_lateness_seconds_count"][()] == 4
    assert shown["notifier_run_lateness_seconds_sum"][()] == pytest.approx(1_000_003.0)


def test_while_the_database_is_away_it_forgets_nothing() -> None:
    stored: list[Counted] = []
    away = True

    def store(counted: list[Counted]) -> None:
        if away:
            raise OperationalError("INSERT", {}, ConnectionRefusedError())
        stored.extend(counted)

    recorder = Recorder(store)  # type: ignore[arg-type]
    recorder.count(CLAIMS, "won")
    assert recorder.flush() == 0
    recorder.count(CLAIMS, "won")
    away = False
    assert recorder.flush() == 1
    assert stored == [Counted("claims_total", ("won",), 2.0)]


def test_a_thread_writes_by_itself_and_the_end_of_the_process_writes_the_rest() -> None:
    stored: list[Counted] = []
    recorder = Recorder(stored.extend, background=True, every=0.02)
    recorder.count(CLAIMS, "won")
    until = time.monotonic() + 10
    while not stored and time.monotonic() < until:
        time.sleep(0.01)
    assert stored == [Counted("claims_total", ("won",), 1.0)]
    recorder.close()
    recorder.count(CLAIMS, "missed")
    recorder.close()
    assert stored[1:] == [Counted("claims_total", ("missed",), 1.0)]


def test_a_forked_child_does_not_write_what_its_parent_counted() -> None:
    recorder = Recorder()
    recorder.count(CLAIMS, "won")
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        recorder.count(CLAIMS, "missed")
        os.write(write, str(recorder.flush()).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 10) == b"1"
    os.close(read)
    os.close(write)
    assert recorder.flush() == 1


def test_a_long_label_is_cut_and_fails_no_transaction(context: Flask) -> None:
    tally(db.session(), SMTP_SECONDS, "t" * 500, "p" * 500)
    db.session.commit()
    assert counted(SMTP_SECONDS) == {("t" * 80, "p" * 80): 1.0}
