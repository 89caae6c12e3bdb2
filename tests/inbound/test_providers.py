"""Each provider's documented examples, with real proofs: what they say, whose they are, and what is refused."""

import dataclasses
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from notifier.bounces.names import Claim
from notifier.bounces.reasons import Reason, Verdict
from notifier.feedback.events import EventKind
from notifier.inbound.provider import Provider
from notifier.testing.clocks import NOON
from tests.support.webhook_payloads import BLOCKED, CLAIM, COMMON, DEAD, FULL, TO, payload
from tests.support.webhooks import (
    PROVIDERS,
    one,
    signed,
)

#: Those whose signature covers the event.
SIGNED = {"ses", "sendgrid", "resend"}

each_provider = pytest.mark.parametrize("name", PROVIDERS)


@each_provider
def test_a_dead_address_is_a_hard_bounce(providers: Mapping[str, Provider], name: str) -> None:
    event = one(providers, signed(name, payload(name, "bounce")))
    assert (event.source, event.kind) == (name, EventKind.bounce)
    assert (event.verdict, event.reason, event.code, event.enhanced) == (
        Verdict.HARD, Reason.USER_UNKNOWN, 550, "5.1.1"
    )  # fmt: skip
    assert "does not exist" in event.text
    assert (event.recipient, event.happened_at) == (TO, NOON)
    assert {(claim.id, claim.mac) for claim in event.claims} == {(17, "abcdefghij234567")}
    assert event.is_signed == (name in SIGNED)


@each_provider
@pytest.mark.parametrize(
    ("reply", "reason"), [(FULL, Reason.MAILBOX_FULL), (BLOCKED, Reason.CONTENT), ("554 5.0.0 failed", Reason.REFUSED)]
)
def test_a_provider_that_says_permanent_is_not_believed(
    providers: Mapping[str, Provider], name: str, reply: str, reason: Reason
) -> None:
    what = payload(name, "bounce", reply=reply)
    if name == "mailjet":
        what["error"] = ""
    event = one(providers, signed(name, what))
    assert event.verdict is Verdict.SOFT
    assert event.reason is reason


@each_provider
def test_complaints_and_deliveries(providers: Mapping[str, Provider], name: str) -> None:
    event = one(providers, signed(name, payload(name, "complaint")))
    assert (event.kind, event.verdict, event.reason) == (EventKind.complaint, Verdict.NONE, Reason.ABUSE)
    event = one(providers, signed(name, payload(name, "delivered")))
    assert (event.kind, event.verdict, event.reason) == (EventKind.delivered, Verdict.NONE, Reason.DELIVERED)


@pytest.mark.parametrize("name", [name for name in PROVIDERS if name != "mailjet"])
def test_a_provider_that_still_tries_says_nothing_about_the_address(
    providers: Mapping[str, Provider], name: str
) -> None:
    event = one(providers, signed(name, payload(name, "delayed")))
    assert (event.kind, event.verdict, event.reason) == (EventKind.bounce, Verdict.NONE, Reason.DELAYED)


@pytest.mark.parametrize("name", ["postmark", "mailgun", "sendgrid", "brevo", "mailjet"])
def test_who_unsubscribes_at_the_provider_has_opted_out(providers: Mapping[str, Provider], name: str) -> None:
    event = one(providers, signed(name, payload(name, "opt_out")))
    assert (event.kind, event.reason) == (EventKind.complaint, Reason.OPT_OUT)


@each_provider
def test_events_of_other_types_say_nothing(providers: Mapping[str, Provider], name: str) -> None:
    for what in (payload(name, "unknown"), {}, {"event": None}, [], "text", 5):
        if name == "mailgun" or isinstance(what, dict | list):
            assert providers[name].receive(signed(name, what).at()).events == ()


@each_provider
def test_without_an_id_of_ours_the_server_id_stays(providers: Mapping[str, Provider], name: str) -> None:
    own = "123456" if name == "mailjet" else "srv-id-1"
    event = one(providers, signed(name, payload(name, "bounce", claim="", own=own)))
    assert event.claims == ()
    assert event.server_ids[:1] == (() if name == "mailgun" else (own,))


@each_provider
def test_the_same_event_has_the_same_id_in_every_post(providers: Mapping[str, Provider], name: str) -> None:
    fixed = {"id": "msg_1"} if name == "resend" else {}
    ids = [one(providers, signed(name, payload(name, kind), **fixed)).event_id for kind in ("bounce", "bounce")]
    assert ids[0] == ids[1]
    if name != "resend":
        assert one(providers, signed(name, payload(name, "complaint"))).event_id != ids[0]
    assert 1 <= len(ids[0]) <= 255
    assert "@" not in ids[0]


@each_provider
def test_a_future_event_happened_now(providers: Mapping[str, Provider], name: str) -> None:
    event = one(providers, signed(name, payload(name, "bounce", at=NOON + timedelta(days=400))))
    assert event.happened_at == NOON


@each_provider
def test_what_is_stored_is_printable(providers: Mapping[str, Provider], name: str) -> None:
    post = signed(name, payload(name, "bounce", reply=DEAD + "\0\ud800\n\x1b[31m", to="a\0\ud800b@example.com"))
    event = one(providers, post)
    stored = [*dataclasses.asdict(event).values()]
    assert all(each.isprintable() for each in stored if isinstance(each, str))
    assert event.verdict is Verdict.HARD


# --- what single providers say


def test_ses_names_our_email_by_its_return_path_too(providers: Mapping[str, Provider]) -> None:
    what = payload("ses", "bounce", claim="")
    what["mail"]["source"] = f"b+{CLAIM}@bounces.notifier.test"
    assert one(providers, signed("ses", what)).claims == (Claim("return_path", 17, "abcdefghij234567"),)


def test_ses_has_one_event_for_each_recipient(providers: Mapping[str, Provider]) -> None:
    what = payload("ses", "bounce")
    what["bounce"]["bouncedRecipients"] *= 2
    what["bounce"]["bouncedRecipients"][1] = {"emailAddress": "grace@example.com"}
    first, second = providers["ses"].receive(signed("ses", what).at()).events
    assert (first.verdict, second.verdict) == (Verdict.HARD, Verdict.SOFT)
    assert first.event_id != second.event_id


@pytest.mark.parametrize(
    ("kind", "reason"), [("not-spam", Reason.NOT_SPAM), ("auth-failure", Reason.AUTH_FAILURE), ("fraud", Reason.FRAUD)]
)
def test_ses_feedback_of_other_types(providers: Mapping[str, Provider], kind: str, reason: Reason) -> None:
    what = payload("ses", "complaint")
    what["complaint"]["complaintFeedbackType"] = kind
    event = one(providers, signed("ses", what))
    assert event.reason is reason
    assert event.kind is (EventKind.complaint if kind == "fraud" else EventKind.other)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("ses", {"bounce": {"bounceType": "Transient"}}),
        ("postmark", {"Type": "SoftBounce"}),
        ("brevo", {"event": "soft_bounce"}),
        ("mailjet", {"hard_bounce": False}),
        ("resend", {"data": {"bounce": {"type": "Transient"}}}),
        ("sendgrid", {"type": "blocked"}),
    ],
)
def test_what_contradicts_itself_is_not_hard(
    providers: Mapping[str, Provider], name: str, changes: dict[str, Any]
) -> None:
    what = payload(name, "bounce")
    merge(what[0] if isinstance(what, list) else what, changes)
    event = one(providers, signed(name, what))
    assert (event.verdict, event.reason) == (Verdict.SOFT, Reason.REFUSED)


def merge(target: dict[str, Any], changes: dict[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, dict):
            merge(target[key], value)
        else:
            target[key] = value


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("mailgun", {"reason": "suppress-bounce",
                     "delivery-status": {"code": 605, "message": "Not delivering to previously bounced address"}}),
        ("sendgrid", {"event": "dropped", "reason": "Bounced Address"}),
        ("brevo", {"event": "blocked", "reason": "blocked : due to blacklist user"}),
        ("mailjet", {"event": "blocked", "error": "preblocked", "comment": ""}),
        ("resend", {"type": "email.suppressed"}),
    ],
)  # fmt: skip
def test_a_provider_that_did_not_send_it_says_nothing_about_the_address(
    providers: Mapping[str, Provider], name: str, changes: dict[str, Any]
) -> None:
    what = payload(name, "bounce")
    merge(what[0] if isinstance(what, list) else what, changes)
    event = one(providers, signed(name, what))
    assert (event.kind, event.verdict, event.reason) == (EventKind.bounce, Verdict.SOFT, Reason.REFUSED)


@pytest.mark.parametrize(
    ("error", "reason"),
    [("user unknown", Reason.USER_UNKNOWN), ("invalid domain", Reason.HOST_UNKNOWN), ("quota exceeded",
     Reason.MAILBOX_FULL), ("sender blocked", Reason.BLOCKED), ("something new", Reason.UNSPECIFIED)],
)  # fmt: skip
def test_the_words_of_mailjet(providers: Mapping[str, Provider], error: str, reason: Reason) -> None:
    what = payload("mailjet", "bounce", reply="")
    what["error"] = error
    assert one(providers, signed("mailjet", what)).reason is reason


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("AutoResponder", EventKind.auto_reply), ("SpamComplaint", EventKind.complaint),
     ("Unsubscribe", EventKind.complaint), ("DMARCPolicy", EventKind.bounce)],
)  # fmt: skip
def test_the_types_of_postmark(providers: Mapping[str, Provider], kind: str, expected: EventKind) -> None:
    what = payload("postmark", "bounce", reply="")
    what |= {"Type": kind, "Details": "", "Description": "-"}
    event = one(providers, signed("postmark", what))
    assert event.kind is expected
    assert event.verdict is not Verdict.HARD


def test_an_operator_who_suppresses_at_postmark_is_no_wish_of_the_recipient(
    providers: Mapping[str, Provider],
) -> None:
    for changes in ({"Origin": "Admin"}, {"SuppressSending": False}, {"SuppressionReason": "HardBounce"}):
        what = payload("postmark", "opt_out") | changes
        assert providers["postmark"].receive(signed("postmark", what).at()).events == ()


def test_sendgrid_posts_many_at_once(providers: Mapping[str, Provider]) -> None:
    many = [event for kind in COMMON for event in payload("sendgrid", kind)]
    events = providers["sendgrid"].receive(signed("sendgrid", many).at()).events
    assert [event.kind.value for event in events] == list(COMMON)


def test_mailgun_gives_each_post_a_token_of_its_own(providers: Mapping[str, Provider]) -> None:
    first, second, again = (
        providers["mailgun"].receive(signed("mailgun", payload("mailgun", "bounce"), token=token).at()).token
        for token in ("a" * 50, "b" * 50, "a" * 50)
    )
    assert first == again != second
    assert first
