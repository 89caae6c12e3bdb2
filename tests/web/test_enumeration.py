"""Nothing in the answer of a form tells whether its address is known. Its time: `python -m bench.enumeration`.

Here the work of the request stands in for its time: the same statements in the same order, and no other.
"""

import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import argon2
import pytest
from flask import Flask
from sqlalchemy import event
from werkzeug.test import TestResponse

from notifier import clock
from notifier.accounts import erasure
from notifier.accounts.signup import Applicant
from notifier.consent import suppressions
from notifier.extensions import db
from notifier.mail.addresses import parse_address
from notifier.models import Preference, SuppressionReason, User
from notifier.operators.audit_log import SYSTEM
from notifier.page_extensions import limiter
from notifier.services import services_of
from notifier.testing.browse import Visitor
from tests.support.applications import make_user

CASES = json.loads((Path(__file__).parent.parent / "data" / "enumeration.json").read_text())
KEYS = ["test-key-that-is-long-enough-for-everything"]
#: Of one length, as the body has to be.
NEW, KNOWN = "never-seen@example.com", "known-here@example.com"


def suppressed(user: User) -> None:
    suppressions.add(db.session(), user.identity_key, reason=SuppressionReason.hard_bounce, source="smtp", evidence="")


def unsubscribed(user: User) -> None:
    db.session.add_all(Preference(user_id=user.id, category=name, wanted=False) for name in ("report", "news"))


def erased(user: User) -> None:
    suppressed(user)
    erasure.erase(db.session(), user, keys=KEYS, by=SYSTEM)


#: As the corpus names a state -> whether such an account is confirmed, and what else makes it.
STATES: dict[str, tuple[bool, Callable[[User], None] | None]] = {
    "existing verified address": (True, None),
    "existing unverified address": (False, None),
    "suppressed address": (True, suppressed),
    "unsubscribed address": (True, unsubscribed),
    "erased address": (True, erased),
}


def put(app: Flask, state: str) -> None:
    """Bring KNOWN into a state of the corpus."""
    with app.app_context():
        if state == "address inside resend cool-down":
            services_of(app).accounts.register(db.session(), Applicant(parse_address(KNOWN)))
        else:
            verified, more = STATES[state]
            user = make_user(KNOWN, verified_at=clock.now() if verified else None)
            if more is not None:
                more(user)
        db.session.commit()


@dataclass
class Observed:
    """All that a visitor can compare, without what is random by design, and the work that was done for it."""

    answers: list[tuple[int, list[tuple[str, str]], str]] = field(default_factory=list)
    limits: dict[str, int] = field(default_factory=dict)
    statements: list[str] = field(default_factory=list)
    enqueued: int = 0


def masked(answer: TestResponse, address: str) -> tuple[int, list[tuple[str, str]], str]:
    headers = [
        (name, re.sub("nonce-[^']+", "nonce", value))
        for name, value in answer.headers
        if name not in {"Date", "Set-Cookie"}
    ]
    body = re.sub(r'(name="csrf_token"[^>]*value=|nonce=)"[^"]+"', r"\1", answer.text.replace(address, "ADDRESS"))
    return answer.status_code, headers, body


@contextmanager
def watched(app: Flask, statements: list[str]) -> Iterator[None]:
    """Write down each statement, and each end of a transaction."""

    def execute(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    def ended(how: str) -> Callable[[object], None]:
        return lambda _conn: statements.append(how)

    listeners = (("before_cursor_execute", execute), ("commit", ended("COMMIT")), ("rollback", ended("ROLLBACK")))
    with app.app_context():
        engine = db.engine
    for name, listener in listeners:
        event.listen(engine, name, listener)
    yield
    for name, listener in listeners:
        event.remove(engine, name, listener)


def counts(app: Flask) -> dict[str, int]:
    """What the limits have counted, by limit; digests of addresses are masked."""
    stored = limiter.of(app).storage.storage
    return {re.sub(r"/[0-9a-f]{24}/", "/digest/", key): count for key, count in stored.items()}


def observe(app: Flask, door: str, address: str, keys: list[int]) -> Observed:
    visitor, seen = Visitor(app), Observed()
    token = visitor.token("/signup")
    limiter.of(app).reset()
    keys.clear()
    with watched(app, seen.statements):
        answer = visitor.post(door, {"csrf_token": token, "email": address})
    seen.answers = [masked(answer, address), masked(visitor.get("/check-inbox"), address)]
    seen.limits, seen.enqueued = counts(app), len(keys)
    return seen


@pytest.fixture
def keys() -> list[int]:
    return []


@pytest.fixture
def limited(make_app: Callable[..., Flask], keys: list[int]) -> Flask:
    """An application with limits, whose workers are away: the request alone is looked at."""
    return make_app(
        publish=lambda _keys, _bulk: None, publish_requests=lambda new, _bulk: keys.extend(new), ratelimit_enabled=True
    )


@pytest.mark.parametrize("door", ["/signup", "/resend"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_known_address_is_answered_as_a_new_one(
    limited: Flask, keys: list[int], case: dict[str, str], door: str
) -> None:
    assert (case["a"], case["expect"]) == ("new address", "indistinguishable")
    put(limited, case["b"])
    observe(limited, door, "warm-up@example.com", keys)
    new, known = observe(limited, door, NEW, keys), observe(limited, door, KNOWN, keys)
    assert new == known
    assert new.answers[0][0] == 303
    assert new.enqueued == 1
    assert [statement.split()[0] for statement in new.statements if "account_requests" in statement] == ["INSERT"]
    assert len(new.limits) >= 4


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("door", ["/signup", "/resend"])
def test_the_request_opens_no_connection_and_hashes_no_password(
    limited: Flask, monkeypatch: pytest.MonkeyPatch, keys: list[int], door: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("not in a request")

    put(limited, "existing unverified address")
    for owner, name in (
        (socket.socket, "connect"),
        (socket.socket, "connect_ex"),
        (argon2.PasswordHasher, "hash"),
        (argon2.PasswordHasher, "verify"),
    ):
        monkeypatch.setattr(owner, name, refuse)
    assert observe(limited, door, KNOWN, keys).answers[0][0] == 303
