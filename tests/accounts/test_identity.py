"""Who is who: an address tells our own sign-ups apart; people of a host application have a key of their own."""

import pytest
from flask import Flask
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import IntegrityError

from notifier.accounts import erasure
from notifier.accounts.signup import Applicant
from notifier.extensions import db
from notifier.mail.addresses import parse_address
from notifier.models import Notification, User
from notifier.operators.audit_log import SYSTEM
from notifier.services import services_of
from tests.support.applications import make_user

KEYS = ["test-key-that-is-long-enough-for-everything"]
ADDRESS = "ada@example.com"


def sign_up(context: Flask) -> User:
    """Sign up with ADDRESS. Return the account."""
    services_of(context).accounts.register(db.session(), Applicant(parse_address(ADDRESS)))
    db.session.commit()
    return db.session.scalars(select(User).where(User.signed_up_as(ADDRESS))).one()


def test_an_address_signs_up_once(context: Flask) -> None:
    make_user(ADDRESS)
    with pytest.raises(IntegrityError):
        make_user(ADDRESS)
    db.session.rollback()


def test_people_of_a_host_may_share_an_address_with_each_other_and_with_a_sign_up(context: Flask) -> None:
    for external_id in (None, "1", "2"):
        make_user(ADDRESS, external_id=external_id)
    assert db.session.scalar(select(func.count()).select_from(User)) == 3


def test_they_may_swap_their_addresses_in_one_flush_and_have_none(context: Flask) -> None:
    one, two = make_user("one@example.com", external_id="1"), make_user("two@example.com", external_id="2")
    one.email, two.email = two.email, one.email
    one.identity_key, two.identity_key = two.identity_key, one.identity_key
    db.session.commit()
    for user in (one, two):
        user.email = user.identity_key = ""
    db.session.commit()


def test_one_key_is_one_person(context: Flask) -> None:
    make_user("one@example.com", external_id="42")
    with pytest.raises(IntegrityError):
        make_user("two@example.com", external_id="42")
    db.session.rollback()


@pytest.mark.parametrize("external_id", ["1", "user:42", "a.b_c@d|e~f-G", "x" * 200])
def test_keys_that_are_taken(context: Flask, external_id: str) -> None:
    assert make_user(ADDRESS, external_id=external_id).external_id == external_id


@pytest.mark.parametrize("external_id", ["", "x" * 201, "a b", "a\n", "\n", "a/b", "ä", "a%", "a]", "a^", "a\\"])
def test_keys_that_the_database_refuses(context: Flask, external_id: str) -> None:
    user = make_user(ADDRESS)
    with pytest.raises(Exception, match=r"external_id|too long"):
        db.session.execute(update(User).where(User.id == user.id).values(external_id=external_id))
    db.session.rollback()


def test_a_sign_up_is_an_account_of_its_own_beside_people_of_a_host(context: Flask) -> None:
    """Their rows belong to the host: a form on our page neither changes them nor gets their email."""
    theirs = [make_user(ADDRESS, external_id=key, display_name="Theirs").id for key in ("1", "2")]
    first, again = sign_up(context), sign_up(context)
    assert first.id == again.id
    assert first.id not in theirs
    assert {row.user_id for row in db.session.scalars(select(Notification))} == {first.id}
    assert [db.session.get_one(User, pk).display_name for pk in theirs] == ["Theirs", "Theirs"]


def test_the_link_goes_again_to_the_sign_up_only(context: Flask) -> None:
    make_user(ADDRESS, external_id="1")
    services_of(context).accounts.resend(db.session(), parse_address(ADDRESS))
    db.session.commit()
    assert db.session.scalars(select(Notification)).all() == []


def test_to_erase_an_address_erases_everyone_who_has_it(context: Flask) -> None:
    for external_id in (None, "1", "2"):
        make_user(ADDRESS, external_id=external_id)
    make_user("other@example.com", external_id="3")
    erasure.erase_address(db.session(), ADDRESS, keys=KEYS, by=SYSTEM)
    db.session.commit()
    left = db.session.execute(select(User.external_id, User.email).order_by(User.external_id)).all()
    assert [tuple(row) for row in left] == [("1", ""), ("2", ""), ("3", "other@example.com")]
    assert db.session.scalars(select(User.external_id).where(User.is_person())).all() == ["3"]


def test_attributes_are_empty_unless_told(context: Flask) -> None:
    user = make_user(ADDRESS)
    assert user.attributes == {}
    told = make_user("two@example.com", external_id="2", attributes={"plan": "pro", "seats": 3})
    db.session.expire_all()
    assert told.attributes == {"plan": "pro", "seats": 3}
    db.session.execute(
        text(
            "INSERT INTO notifier_users (email, identity_key, display_name, locale, timezone, link_nonce, created_at) "
            "VALUES ('raw@example.com', 'raw@example.com', '', 'en', 'UTC', 'n', '2026-01-01')"
        )
    )
    assert db.session.scalar(select(User).where(User.identity_key == "raw@example.com")).attributes == {}  # type: ignore[union-attr]
