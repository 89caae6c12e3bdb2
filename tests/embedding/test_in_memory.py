"""A host on `sqlite://`: one connection, and one database, for its rows and for our pages."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import StaticPool, select

from notifier import OperatorIdentity
from notifier.models import AuditEntry, Suppression
from tests.embedding.conftest import Host
from tests.embedding.office import SUPPRESSIONS, Person


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host("sqlite://", tmp_path)
    made.app.testing = True

    def operator() -> OperatorIdentity | None:
        # A query of the host, on the very connection of our request.
        ada = made.db.session.scalars(select(made.User).where(made.User.name == "Ada")).first()
        return ada and OperatorIdentity(f"host:{ada.id}", role="admin", label=ada.email)

    made.start(mount="/mail", operator=operator)
    made.notifier.create_all(made.engine)
    yield made
    made.close()


def test_the_pages_show_the_rows_of_the_host(host: Host) -> None:
    assert isinstance(host.engine.pool, StaticPool)
    with host.app.app_context():
        ada = host.add("ada@example.com", "Ada")
        host.notifier.send("verification", to=ada)
        host.db.session.commit()
    person = Person(host)
    page = person.get("/mail/admin/people/")
    assert page.status_code == 200
    assert "ada@example.com" in page.text
    assert "Ada" in person.get("/mail/admin/people/1/").text
    assert "ada@example.com" in person.get("/mail/admin/notifications/").text


def test_the_host_sees_the_rows_of_the_pages(host: Host) -> None:
    with host.app.app_context():
        host.add("ada@example.com", "Ada")
    assert Person(host).suppress("stop@example.com").status_code == 303
    with host.app.app_context():
        assert host.db.session.scalars(select(Suppression.identity_key)).all() == ["stop@example.com"]
        assert host.db.session.scalars(
            select(AuditEntry.actor).where(AuditEntry.object_type == "suppression")
        ).all() == ["host:1"]


def test_what_the_host_has_not_committed_is_on_no_page(host: Host) -> None:
    with host.app.app_context():
        host.add("ada@example.com", "Ada")
        host.db.session.add(host.User(email="bob@example.com", name="Bob"))
        host.db.session.rollback()
    assert "bob@example.com" not in Person(host).get("/mail/admin/people/").text
    assert Person(host).get(SUPPRESSIONS).status_code == 200
