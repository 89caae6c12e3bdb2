"""The limits of sign-up emails: what goes at once, what waits, what is not sent, and what the rows say about it."""

import threading
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import delete, select, update

from notifier.accounts.signup import Accounts, Applicant
from notifier.accounts.signup_limits import SignupLimits
from notifier.database.expressions import number_of
from notifier.delivery.throttle.first_emails import FirstEmails
from notifier.extensions import db
from notifier.mail.addresses import parse_address
from notifier.models import Campaign, CampaignRun, Notification, SignupEmail, User
from notifier.security.tokens import Signer
from tests.support.applications import NOON
from tests.support.campaigns import expand, make_campaign, start_run

pytestmark = pytest.mark.usefixtures("frozen")

KEY = "test-key-that-is-long-enough-for-everything"
HOME = "198.51.100.0/24"


@pytest.fixture
def limits() -> SignupLimits:
    return SignupLimits([KEY])


@pytest.fixture
def accounts(context: Flask, limits: SignupLimits) -> Accounts:
    return Accounts(Signer([KEY]), grace=timedelta(seconds=5), limits=limits)


def sign_up(accounts: Accounts, address: str, network: str = HOME) -> Notification:
    """The newest email of this person, after a sign-up."""
    accounts.register(db.session(), Applicant(parse_address(address), network=network))
    db.session.commit()
    query = select(Notification).join(User).where(User.identity_key == parse_address(address).identity_key)
    return db.session.scalars(query.order_by(Notification.id.desc()).limit(1)).one()


def settle(status: str, code: str | None = None) -> None:
    """Everything that was due so far ended like this."""
    waiting = update(Notification).where(Notification.status == "pending", Notification.next_attempt_at <= NOON)
    db.session.execute(waiting.values(status=status, reason_code=code, settled_at=NOON))
    db.session.commit()


def bounce(accounts: Accounts, number: int, domain: str = "flood.example") -> None:
    """So many first emails to people who do not exist, each asked for from a network of its own."""
    for n in range(number):
        sign_up(accounts, f"nobody{n}@{domain}", f"10.{n // 250}.{n % 250}.0/24")
    settle("failed", "address_refused")


@pytest.mark.parametrize(
    "spellings",
    [
        [f"victim+{n}@gmail.com" for n in range(40)],
        ["v.ictim@gmail.com", "vi.ctim@googlemail.com", "victim@gmail.com", "v.i.c.t.i.m@gmail.com"] * 2,
        [f"victim-{n}@yahoo.com" for n in range(40)],
        [f"victim+{n}@company.example" for n in range(40)],
    ],
    ids=["tags", "dots", "hyphens", "own domain"],
)
def test_one_mailbox_gets_five_emails_a_day_however_it_is_written(
    accounts: Accounts, spellings: list[str], frozen: time_machine.Traveller
) -> None:
    for number, spelling in enumerate(spellings):
        sign_up(accounts, spelling, f"10.0.{number}.0/24")
        frozen.shift(timedelta(minutes=3))
    rows = db.session.scalars(select(Notification).order_by(Notification.id)).all()
    assert [row.status for row in rows].count("pending") == 5
    assert {row.reason_code for row in rows if row.status != "pending"} <= {"mailbox_limit"}
    frozen.shift(timedelta(days=1))
    assert sign_up(accounts, spellings[0]).status == "pending"


def test_people_of_one_domain_are_not_one_mailbox(accounts: Accounts) -> None:
    rows = [sign_up(accounts, address) for address in ("a.b@outlook.com", "ab@outlook.com", "a-b@outlook.com")] + [
        sign_up(accounts, f"person{n}@gmail.com") for n in range(30)
    ]
    assert {(row.status, row.reason_code) for row in rows} == {("pending", None)}
    assert {row.next_attempt_at for row in rows} == {NOON}


def test_a_domain_of_no_known_provider_gets_twenty_first_emails_an_hour_for_one_network(accounts: Accounts) -> None:
    rows = [sign_up(accounts, f"person{n}@company.example") for n in range(45)]
    waits = [(row.next_attempt_at - NOON) / timedelta(hours=1) for row in rows]
    assert waits == [0] * 20 + [1] * 20 + [2] * 5
    assert {(row.status, row.reason_code) for row in rows[20:]} == {("pending", "source_limit")}
    assert rows[20].reason == "sign-ups from one network can send at most 20 first emails an hour to one domain"
    # For others, and elsewhere, there is room.
    assert sign_up(accounts, "person50@company.example", "203.0.113.0/24").next_attempt_at == NOON
    assert sign_up(accounts, "person@elsewhere.example").next_attempt_at == NOON


def test_what_cannot_go_within_a_day_is_not_sent_and_says_so(context: Flask) -> None:
    accounts = Accounts(Signer([KEY]), grace=timedelta(0), limits=SignupLimits([KEY], per_hour=1))
    rows = [sign_up(accounts, f"person{n}@company.example") for n in range(25)]
    assert [row.status for row in rows] == ["pending"] * 24 + ["skipped"]
    assert rows[-1].reason_code == "source_limit"


def test_the_link_of_an_email_that_waited_is_as_fresh_as_any(accounts: Accounts) -> None:
    rows = [sign_up(accounts, f"person{n}@company.example") for n in range(21)]
    later = NOON + timedelta(hours=1)
    assert rows[-1].deadline == later + timedelta(hours=24)
    assert rows[-1].params == {"send_at": number_of(later)}


def test_the_owner_does_not_wait_behind_a_stranger_who_signed_them_up(accounts: Accounts) -> None:
    """The stranger's network has used up what it may; the owner's own has not."""
    waiting = [sign_up(accounts, f"person{n}@company.example") for n in range(21)][-1]
    assert waiting.next_attempt_at > NOON
    mine = sign_up(accounts, "person20@company.example", "203.0.113.0/24")
    assert (mine.status, mine.next_attempt_at) == ("pending", NOON)
    db.session.refresh(waiting)
    assert (waiting.status, waiting.reason_code) == ("cancelled", "superseded")


def test_asking_again_does_not_move_an_email_that_waits(accounts: Accounts, frozen: time_machine.Traveller) -> None:
    waiting = [sign_up(accounts, f"person{n}@company.example") for n in range(21)][-1]
    frozen.shift(timedelta(minutes=10))
    assert sign_up(accounts, "person20@company.example").id == waiting.id


def test_twenty_bounces_of_a_hundred_slow_nobody_down(accounts: Accounts) -> None:
    bounce(accounts, 20)
    assert sign_up(accounts, "ada@company.example").next_attempt_at == NOON


def test_while_more_than_a_fifth_bounces_first_emails_to_unknown_domains_go_out_at_ten_a_minute(
    accounts: Accounts,
) -> None:
    bounce(accounts, 21)
    rows = [sign_up(accounts, f"ada{n}@company{n}.example", f"192.0.{n}.0/24") for n in range(12)]
    assert [(row.next_attempt_at - NOON).total_seconds() for row in rows] == [6 * n for n in range(12)]
    assert {row.reason_code for row in rows[1:]} == {"first_emails_slowed"}


def test_meanwhile_known_providers_go_on(accounts: Accounts) -> None:
    bounce(accounts, 21)
    for address in ("ada@gmail.com", "ada@hotmail.co.uk", "ada@yahoo.fr", "ada@icloud.com"):
        assert sign_up(accounts, address).next_attempt_at == NOON


def test_a_network_whose_sign_ups_bounce_at_a_known_provider_is_slowed_there_too(accounts: Accounts) -> None:
    for n in range(25):
        sign_up(accounts, f"nobody{n}@gmail.com")
    settle("failed", "address_refused")
    slowed = [sign_up(accounts, f"ada{n}@gmail.com") for n in range(2)]
    assert slowed[1].reason_code == "first_emails_slowed"
    assert sign_up(accounts, "grace@gmail.com", "203.0.113.0/24").next_attempt_at == NOON


def test_good_first_emails_open_it_again(accounts: Accounts) -> None:
    bounce(accounts, 21)
    for n in range(100):
        sign_up(accounts, f"person{n}@gmail.com")
    settle("sent")
    rows = [sign_up(accounts, f"ada{n}@company.example") for n in range(2)]
    assert {row.next_attempt_at for row in rows} == {NOON}


def test_time_opens_it_again(accounts: Accounts, frozen: time_machine.Traveller) -> None:
    bounce(accounts, 40)
    frozen.shift(timedelta(hours=1, seconds=1))
    rows = [sign_up(accounts, f"ada{n}@company.example") for n in range(2)]
    assert {row.next_attempt_at for row in rows} == {NOON + timedelta(hours=1, seconds=1)}


def test_what_was_owed_before_is_held_back_at_sending(accounts: Accounts, limits: SignupLimits) -> None:
    """A worker that was away comes back to a queue full of them."""
    for n in range(21):
        sign_up(accounts, f"nobody{n}@flood.example", f"10.0.{n}.0/24")
    settle("failed", "address_refused")
    first_emails = FirstEmails(db.session, limits)
    rows = [row.id for row in queued(accounts)]
    slowed, known = rows[:4], rows[4]
    assert first_emails.ready(rows, NOON) == [slowed[0], known]
    db.session.expire_all()
    found = [db.session.get_one(Notification, pk) for pk in rows]
    assert [(row.next_attempt_at - NOON).total_seconds() for row in found] == [0, 6, 12, 18, 0]
    assert found[1].reason_code == "first_emails_slowed"
    # Each has its place now: when its time comes it goes.
    assert first_emails.ready(slowed, NOON + timedelta(seconds=18)) == slowed


def queued(accounts: Accounts) -> list[Notification]:
    """Four emails to unknown domains and one to a known provider, owed when nothing was slowed yet."""
    addresses = [f"ada{n}@company{n}.example" for n in range(4)] + ["ada@gmail.com"]
    rows = [sign_up(accounts, address) for address in addresses]
    now = {"next_attempt_at": NOON, "enqueue_at": NOON, "reason_code": None, "reason": None}
    db.session.execute(update(Notification).where(Notification.id.in_([row.id for row in rows])).values(now))
    newest = SignupEmail.notification_id.in_([row.id for row in rows])
    db.session.execute(update(SignupEmail).where(newest).values(due=NOON, slowed=False))
    db.session.commit()
    return rows


def test_what_the_limits_keep_holds_no_address(accounts: Accounts) -> None:
    sign_up(accounts, "ada@company.example")
    kept = db.session.scalars(select(SignupEmail)).one()
    text = f"{kept.mailbox} {kept.network} {kept.source}"
    assert not any(part in text for part in ("ada", "company", "198.51"))


def test_of_many_sign_ups_at_once_no_more_get_an_email(app: Flask) -> None:
    """Sixty networks against one mailbox, all in the same moment."""
    start = threading.Barrier(12)
    failures: list[BaseException] = []
    limits = SignupLimits([KEY])

    def attack(number: int) -> None:
        with app.app_context():
            accounts = Accounts(Signer([KEY]), grace=timedelta(0), limits=limits)
            start.wait()
            try:
                for n in range(5):
                    address = parse_address(f"victim+{number}x{n}@gmail.com")
                    accounts.register(db.session(), Applicant(address, network=f"10.{number}.{n}.0/24"))
                    db.session.commit()
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=attack, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with app.app_context():
        statuses = list(db.session.scalars(select(Notification.status)))
        assert (statuses.count("pending"), statuses.count("skipped")) == (5, 55)


def reminded() -> list[str]:
    """The addresses that get a reminder two days later."""
    campaign = make_campaign(kind="verification_reminder", settings={"steps": [1], "not_after": 30})
    run_id = start_run(campaign, NOON + timedelta(days=2))
    expand(run_id)
    query = select(Notification.recipient).where(Notification.run_id == run_id)
    return list(db.session.scalars(query.order_by(Notification.id)))


def test_one_mailbox_is_reminded_once_however_many_accounts_it_has(accounts: Accounts) -> None:
    for address in ("v.ictim+1@gmail.com", "victim+2@gmail.com", "victim@googlemail.com", "other@gmail.com"):
        sign_up(accounts, address)
    settle("sent")
    assert reminded() == ["v.ictim+1@gmail.com", "other@gmail.com"]


def test_nobody_is_reminded_of_an_email_that_a_limit_or_the_owner_kept_back(
    accounts: Accounts, frozen: time_machine.Traveller
) -> None:
    refused, suppressed, failed = (sign_up(accounts, f"{name}@gmail.com") for name in ("a", "b", "c"))
    refused.status, refused.reason_code = "skipped", "mailbox_limit"
    suppressed.status = "suppressed"
    failed.status = "failed"
    db.session.commit()
    assert reminded() == ["c@gmail.com"]
    # A later sign-up got its email, so a reminder makes sense.
    frozen.shift(timedelta(minutes=3))
    sign_up(accounts, "a@gmail.com").status = "sent"
    db.session.commit()
    for rows in (delete(Notification).where(Notification.run_id.is_not(None)), delete(CampaignRun), delete(Campaign)):
        db.session.execute(rows)
    db.session.commit()
    assert reminded() == ["a@gmail.com", "c@gmail.com"]
