"""A user of the host gets another address: whether notifier tells the old one is the host's choice."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from notifier.models import Notification
from tests.embedding.conftest import Host

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def told(host: Host) -> list[str]:
    return [str(each) for each in host.stored(select(Notification.recipient))]


@pytest.mark.parametrize(("options", "expected"), [({}, []), ({"tell_old_addresses": True}, ["ada@example.com"])])
def test_the_old_address_is_told_if_the_host_wants_it(
    make_host: Callable[..., Host], options: dict[str, Any], expected: list[str]
) -> None:
    host = make_host(**options)
    host.start()
    with host.app.app_context():
        user, other = host.add(confirmed_at=NOON), host.add("bo@example.com")
        user.email, user.confirmed_at, other.email = "ada@elsewhere.example", None, "bo@elsewhere.example"
        host.db.session.commit()
        assert told(host) == expected
        assert {row.address_changed_at is None for row in host.mirrored().values()} == {False}
        user.name = "Ada Lovelace"
        host.db.session.commit()
    assert told(host) == expected


def test_a_rollback_tells_nothing(make_host: Callable[..., Host]) -> None:
    host = make_host(tell_old_addresses=True)
    host.start()
    with host.app.app_context():
        user = host.add(confirmed_at=NOON)
        user.email = "ada@elsewhere.example"
        host.db.session.flush()
        host.db.session.rollback()
    assert told(host) == []
