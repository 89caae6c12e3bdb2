"""Through PgBouncer in transaction mode: sign-ups and a campaign at once, without an error."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from notifier import clock
from notifier.extensions import db
from notifier.models import CampaignRun, Notification, User
from notifier.observability.totals import roll_up
from notifier.services import services_of
from notifier.testing.browse import Visitor
from notifier.testing.mail_server import FakeMailServer
from notifier.testing.servers import pgbouncer
from notifier.testing.servers.pgbouncer import PgBouncerServer
from notifier.testing.servers.postgres import PostgresServer
from tests.support.campaigns import expand, make_campaign, make_people, start_run
from tests.support.needs import need

pytestmark = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)

SIGN_UPS, PEOPLE, BATCH = 100, 1000, 100


@pytest.fixture(scope="module")
def pooler(postgres: PostgresServer) -> Iterator[PgBouncerServer]:
    need(pgbouncer.find, "PGBOUNCER")
    with PgBouncerServer(postgres.port) as server:
        yield server


@pytest.fixture
def pooled_url(database_url: str, pooler: PgBouncerServer) -> str:
    return pooler.url(database_url.rpartition("/")[2])


def test_sign_ups_and_a_campaign_at_once(pooled_url: str, make_app: Callable[..., Flask]) -> None:
    app = make_app(publish=lambda keys, bulk: True, database_url=pooled_url)
    FakeMailServer().attach(app)
    with app.app_context():
        campaign = make_campaign(cron=None, created_at=clock.now())
        make_people(PEOPLE, verified_at=clock.now())
        run_id = start_run(campaign, clock.now().replace(microsecond=0))

    def sign_up(number: int) -> int:
        return Visitor(app).sign_up(f"new{number}@example.com").status_code

    def send(keys: Sequence[int]) -> None:
        with app.app_context():
            services_of(app).sender.deliver(keys, bulk=True)

    with ThreadPoolExecutor(12) as threads:
        statuses = threads.map(sign_up, range(SIGN_UPS))
        with app.app_context():
            due: list[int] = []
            expand(run_id, due, chunk=250)
        for done in [threads.submit(send, due[at : at + BATCH]) for at in range(0, len(due), BATCH)]:
            done.result()
        assert set(statuses) == {303}
    with app.app_context():
        ended = select(Notification.status, func.count()).where(Notification.run_id == run_id)
        ((status, count),) = db.session.execute(ended.group_by(Notification.status))
        assert status == "sent"
        assert count >= PEOPLE
        assert db.session.scalar(select(func.count()).select_from(User)) == PEOPLE + SIGN_UPS
        services_of(app).tick.run()
        roll_up(db.session, clock.now())
        assert db.session.scalar(select(CampaignRun.state)) == "done"
        db.session.rollback()
        assert services_of(app).audit.of().ok


@pytest.mark.parametrize(("setting", "broken"), [("auto", False), ("off", False), ("on", True)])
def test_prepared_statements_are_what_breaks(
    pooled_url: str, make_app: Callable[..., Flask], setting: str, broken: bool
) -> None:
    """With `on`, to show that this test and PgBouncer can tell the difference."""
    app = make_app(database_url=pooled_url, database_prepared_statements=setting)
    errors: list[DBAPIError] = []
    barrier = threading.Barrier(8)

    def ask() -> None:
        with app.app_context(), db.engine.connect() as connection:
            for _ in range(10):
                barrier.wait()
                try:
                    connection.scalar(text("SELECT 1"))
                except DBAPIError as error:
                    errors.append(error)
                    connection.rollback()
                connection.commit()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bool(errors) is broken


def test_without_a_pooler_statements_are_prepared(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    with app.app_context(), db.engine.connect() as connection:
        assert connection.connection.driver_connection.prepare_threshold is not None
