"""Accounts: who gets which mail, how often, and what a link is worth."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from notifier.accounts.signup import Accounts, Applicant, LinkState
from notifier.accounts.signup_limits import SignupLimits
from notifier.extensions import db
from notifier.mail.addresses import parse_address
from notifier.models import Notification, User
from notifier.security.tokens import Signer
from notifier.services import services_of
from tests.support.applications import NOON

pytestmark = pytest.mark.usefixtures("frozen")

KEY = "test-key-that-is-long-enough-for-everything"


@pytest.fixture
def accounts(context: Flask) -> Accounts:
    return Accounts(Signer([KEY]), grace=timedelta(seconds=5), limits=SignupLimits([KEY]))


def register(accounts: Accounts, address: str = "ada@example.com") -> None:
    accounts.register(db.session(), Applicant(parse_address(address), display_name="Ada"))
    db.session.commit()


def kinds() -> list[str]:
    return list(db.session.scalars(select(Notification.kind).order_by(Notification.id)))


def statuses() -> list[str]:
    return list(db.session.scalars(select(Notification.status).order_by(Notification.id)))


def user() -> User:
    return db.session.scalars(select(User)).one()


def token(signer: Signer | None = None) -> str:
    person = user()
    return (signer or Signer([KEY])).issue_verification(person.id, person.identity_key, person.link_nonce, NOON)


def test_a_signup_makes_an_account_and_owes_a_verification(accounts: Accounts) -> None:
    register(accounts)
    row = db.session.scalars(select(Notification)).one()
    assert (row.kind, row.recipient, row.status, row.deadline) == (
        "verification",
        "ada@example.com",
        "pending",
        NOON + timedelta(hours=24),
    )
    assert user().verified_at is None


def test_two_spellings_of_one_mailbox_are_one_account(accounts: Accounts) -> None:
    register(accounts, "Ada@example.com")
    register(accounts, "ada@EXAMPLE.com")
    assert user().email == "Ada@example.com"


def test_what_was_typed_last_counts_until_the_address_is_confirmed(accounts: Accounts) -> None:
    """A stranger who was quicker does not choose how the owner is greeted."""
    for name in ("Call 555-0100", "Ada"):
        accounts.register(db.session(), Applicant(parse_address("ada@example.com"), display_name=name))
    assert user().display_name == "Ada"
    accounts.verify(db.session(), token())
    accounts.register(db.session(), Applicant(parse_address("ada@example.com"), display_name="Call 555-0100"))
    assert user().display_name == "Ada"


def test_a_second_signup_within_two_minutes_sends_nothing(accounts: Accounts, frozen: time_machine.Traveller) -> None:
    register(accounts)
    frozen.shift(timedelta(seconds=119))
    register(accounts)
    assert kinds() == ["verification"]


def test_after_two_minutes_it_sends_again(accounts: Accounts, frozen: time_machine.Traveller) -> None:
    register(accounts)
    frozen.shift(timedelta(minutes=2))
    register(accounts)
    assert kinds() == ["verification"] * 2


def test_five_mails_a_day_and_no_more(accounts: Accounts, frozen: time_machine.Traveller) -> None:
    for _ in range(8):
        register(accounts)
        frozen.shift(timedelta(minutes=10))
    assert statuses() == ["pending"] * 5 + ["skipped"]
    frozen.shift(timedelta(days=1))
    register(accounts)
    assert statuses() == ["pending"] * 5 + ["skipped", "pending"]


def test_a_sign_up_above_the_limit_says_why_nothing_was_sent(
    accounts: Accounts, frozen: time_machine.Traveller
) -> None:
    for _ in range(6):
        register(accounts)
        frozen.shift(timedelta(minutes=10))
    refused = db.session.scalars(select(Notification).where(Notification.status == "skipped")).one()
    assert (refused.kind, refused.reason_code) == ("verification", "mailbox_limit")
    assert refused.reason == "this mailbox got 5 sign-up emails in a day; a later sign-up gets its email"


def test_without_limits_every_signup_sends(context: Flask) -> None:
    accounts = Accounts(Signer([KEY]), grace=timedelta(0), limits=None)
    for _ in range(7):
        register(accounts)
    assert len(kinds()) == 7


def test_a_verified_owner_is_told_that_there_is_an_account(accounts: Accounts, frozen: time_machine.Traveller) -> None:
    register(accounts)
    accounts.verify(db.session(), token())
    db.session.commit()
    frozen.shift(timedelta(minutes=2))
    register(accounts)
    assert kinds() == ["verification", "account_exists"]


def test_a_resend_for_an_unknown_address_changes_nothing(accounts: Accounts) -> None:
    accounts.resend(db.session(), parse_address("nobody@example.com"))
    db.session.commit()
    assert kinds() == []
    assert db.session.scalars(select(User)).all() == []


def test_looking_at_a_link_changes_nothing_and_confirming_twice_is_success(accounts: Accounts) -> None:
    register(accounts)
    assert accounts.examine(db.session(), token()) is LinkState.valid
    assert user().verified_at is None
    assert accounts.verify(db.session(), token()) is LinkState.done
    assert accounts.verify(db.session(), token()) is LinkState.done
    assert user().verified_at == NOON


def test_a_link_expires(accounts: Accounts, frozen: time_machine.Traveller) -> None:
    register(accounts)
    link = token()
    frozen.shift(timedelta(hours=24, seconds=1))
    assert accounts.verify(db.session(), link) is LinkState.expired
    assert user().verified_at is None


@pytest.mark.parametrize(
    "change",
    [
        lambda person: setattr(person, "identity_key", "eve@example.com"),
        lambda person: setattr(person, "link_nonce", "another"),
    ],
    ids=["another address", "another nonce"],
)
def test_a_link_is_void_once_the_account_has_changed(accounts: Accounts, change: Callable[[User], None]) -> None:
    register(accounts)
    link = token()
    change(user())
    db.session.commit()
    assert accounts.verify(db.session(), link) is LinkState.invalid
    assert user().verified_at is None


def test_a_link_signed_by_somebody_else_is_void(accounts: Accounts) -> None:
    register(accounts)
    assert accounts.verify(db.session(), token(Signer(["some-other-key-of-another-system"]))) is LinkState.invalid


def test_a_link_of_an_older_key_still_works(context: Flask) -> None:
    accounts = Accounts(Signer([KEY, "a-newer-key-that-signs-from-now-on"]), grace=timedelta(0), limits=None)
    register(accounts)
    assert accounts.verify(db.session(), token(Signer([KEY]))) is LinkState.done


def test_simultaneous_signups_make_one_account_and_one_mail(app: Flask) -> None:
    start = threading.Barrier(6)
    failures: list[BaseException] = []

    def sign_up() -> None:
        with app.app_context():
            accounts = services_of(app).accounts
            start.wait()
            try:
                register(accounts)
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=sign_up) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with app.app_context():
        assert user()
        # The limits are off in tests: each mail that was made names the one before it, so none was made twice.
        keys = db.session.scalars(select(Notification.dedupe_key)).all()
        assert len(set(keys)) == len(keys) >= 1
