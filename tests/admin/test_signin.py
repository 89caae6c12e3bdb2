"""The way in: passwords, second factor, throttle, sessions."""

from collections.abc import Callable
from datetime import timedelta

import pyotp
import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select

from notifier.extensions import db
from notifier.models import AuditEntry, Operator, OperatorSession, Role
from notifier.operators import roster, second_factor, sessions
from notifier.testing.operators import PASSWORD, SIGN_IN, Desk

HOME = "/admin/"


def audit(app: Flask) -> list[str]:
    with app.app_context():
        return list(db.session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


def set_up_totp(desk: Desk) -> tuple[pyotp.TOTP, list[str]]:
    page = desk.get("/admin/account/second-factor").text
    secret = page.partition("in the app: <code>")[2].partition("</code>")[0].replace(" ", "")
    totp = pyotp.TOTP(secret)
    done = desk.send(
        "/admin/account/second-factor", {"code": totp.now(), "password": PASSWORD}, "/admin/account/second-factor"
    )
    codes = [part.partition("</code>")[0] for part in done.text.split("<li><code>")[1:]]
    assert len(codes) == second_factor.RECOVERY_CODES
    return totp, codes


def test_the_right_password_leads_to_the_page_that_was_asked_for(app: Flask, make_operator: Callable[..., int]) -> None:
    make_operator()
    desk = Desk(app)
    answer = desk.get("/admin/people/?email=x")
    assert (answer.status_code, answer.location) == (302, "/admin/sign-in?next=/admin/people/?email%3Dx")
    assert desk.sign_in(next="/admin/people/?email=x").location == "/admin/people/?email=x"
    assert desk.get(HOME).status_code == 200
    assert audit(app) == ["operator.created", "operator.signed_in"]


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("admin@example.com", "wrong"),
        ("nobody@example.com", PASSWORD),
        ("no address", ""),
        ("admin@example.com", "x" * 5000),
    ],
)
def test_what_is_wrong_is_not_said(app: Flask, make_operator: Callable[..., int], email: str, password: str) -> None:
    make_operator()
    desk = Desk(app)
    answer = desk.sign_in(email, password)
    assert answer.status_code == 401
    assert "Wrong email or password." in answer.text
    assert desk.get(HOME).status_code == 302
    assert audit(app)[-1] == "operator.sign_in_failed"


def test_a_typed_text_that_is_nobodys_address_is_not_kept(app: Flask) -> None:
    Desk(app).sign_in("my-password-by-mistake@example.com")
    with app.app_context():
        entry = db.session.scalars(select(AuditEntry)).one()
    assert entry.actor == "not signed in"
    assert "mistake" not in f"{entry.before}{entry.after}{entry.object_id}"


def test_the_cookie_is_another_one_after_signing_in(app: Flask, make_operator: Callable[..., int]) -> None:
    """Fixation: what was in the cookie before, its CSRF token too, is worth nothing afterwards."""
    make_operator()
    desk = Desk(app)
    before = desk.token(SIGN_IN)
    old = desk.client.get_cookie("notifier", domain="notifier.test")
    desk.sign_in()
    new = desk.client.get_cookie("notifier", domain="notifier.test")
    assert old is not None
    assert new is not None
    assert old.value != new.value
    assert desk.post("/admin/account/sign-out-elsewhere", {"csrf_token": before}).status_code == 400
    assert desk.token("/admin/account/") != before


def test_signing_out_kills_copies_of_the_cookie(desk: Callable[..., Desk], app: Flask) -> None:
    here, thief = desk(), Desk(app)
    cookie = here.client.get_cookie("notifier", domain="notifier.test")
    assert cookie is not None
    thief.client.set_cookie("notifier", cookie.value, domain="notifier.test")
    assert thief.get(HOME).status_code == 200
    here.send("/admin/sign-out")
    assert here.get(HOME).status_code == 302
    thief.client.set_cookie("notifier", cookie.value, domain="notifier.test")
    answer = thief.get(HOME)
    assert answer.status_code == 401
    assert "Your session has ended" in answer.text


@pytest.mark.parametrize("change", ["disabled", "role", "password"])
def test_what_is_taken_away_is_gone_at_the_next_request(desk: Callable[..., Desk], app: Flask, change: str) -> None:
    here = desk()
    with app.app_context():
        operator = roster.find(db.session(), "admin@example.com")
        if change == "disabled":
            roster.set_active(db.session(), operator, False, force=True)
        elif change == "role":
            roster.set_role(db.session(), operator, Role.viewer, force=True)
        else:
            roster.change_password(db.session(), operator, "another password, long enough")
        db.session.commit()
    assert here.get(HOME).status_code == 401
    assert here.sign_in().status_code == (303 if change == "role" else 401)


def test_an_idle_session_ends_and_a_page_that_polls_does_not_keep_it(
    desk: Callable[..., Desk], frozen: time_machine.Traveller
) -> None:
    here = desk()
    for _ in range(3):
        frozen.shift(sessions.IDLE - timedelta(minutes=2))
        assert here.get(HOME).status_code == 200
    frozen.shift(sessions.IDLE - timedelta(minutes=2))
    assert here.get("/admin/now", headers={"X-Poll": "1"}).status_code == 200
    frozen.shift(timedelta(minutes=3))
    assert here.get("/admin/now", headers={"X-Poll": "1"}).status_code == 401
    assert here.get(HOME).status_code in {302, 401}


def test_a_session_ends_after_twelve_hours_however_busy(
    desk: Callable[..., Desk], frozen: time_machine.Traveller
) -> None:
    here = desk()
    for _ in range(35):
        frozen.shift(timedelta(minutes=20))
        assert here.get("/admin/account/").status_code == 200
    frozen.shift(timedelta(minutes=21))
    assert here.get("/admin/account/").status_code == 401


def test_a_second_factor_is_asked_for_and_a_code_works_once(
    desk: Callable[..., Desk], app: Flask, frozen: time_machine.Traveller
) -> None:
    totp, _ = set_up_totp(desk())
    frozen.shift(timedelta(seconds=30))
    first, second = Desk(app), Desk(app)
    for each in (first, second):
        assert each.sign_in(next="/admin/tasks/").location == "/admin/sign-in/code"
        assert each.get(HOME).status_code == 302
    code = totp.now()
    assert first.send("/admin/sign-in/code", {"code": code}, "/admin/sign-in/code").location == "/admin/tasks/"
    second.sign_in()
    assert second.send("/admin/sign-in/code", {"code": code}, "/admin/sign-in/code").status_code == 401
    frozen.shift(timedelta(seconds=30))
    assert second.send("/admin/sign-in/code", {"code": totp.now()}, "/admin/sign-in/code").status_code == 303
    assert second.get(HOME).status_code == 200
    assert audit(app).count("operator.sign_in_failed") == 1


def test_the_code_that_set_it_up_does_not_sign_in(
    desk: Callable[..., Desk], app: Flask, frozen: time_machine.Traveller
) -> None:
    totp, _ = set_up_totp(desk())
    other = Desk(app)
    other.sign_in()
    assert other.send("/admin/sign-in/code", {"code": totp.now()}, "/admin/sign-in/code").status_code == 401


def test_a_recovery_code_works_once_however_it_is_typed(
    desk: Callable[..., Desk], app: Flask, frozen: time_machine.Traveller
) -> None:
    _, codes = set_up_totp(desk())
    typed = codes[3].lower().replace("-", " ")
    for expected in (303, 401):
        other = Desk(app)
        other.sign_in()
        assert other.send("/admin/sign-in/code", {"code": typed}, "/admin/sign-in/code").status_code == expected
    with app.app_context():
        operator = db.session.scalars(select(Operator)).one()
        assert second_factor.recovery_codes_left(db.session(), operator) == 9
        assert codes[0] not in str(operator.totp_secret)


def test_the_right_password_alone_is_worth_five_minutes(
    desk: Callable[..., Desk], app: Flask, frozen: time_machine.Traveller
) -> None:
    totp, _ = set_up_totp(desk())
    other = Desk(app)
    other.sign_in()
    token = other.token("/admin/sign-in/code")
    frozen.shift(timedelta(minutes=6))
    answer = other.post("/admin/sign-in/code", {"csrf_token": token, "code": totp.now()})
    assert answer.location == SIGN_IN
    assert other.get(HOME).status_code == 302


def test_the_secret_is_sealed_and_resetting_opens_the_way(
    desk: Callable[..., Desk], app: Flask, frozen: time_machine.Traveller
) -> None:
    totp, _ = set_up_totp(desk())
    with app.app_context():
        operator = db.session.scalars(select(Operator)).one()
        assert totp.secret not in str(operator.totp_secret)
        second_factor.reset_second_factor(db.session(), operator)
        db.session.commit()
    assert Desk(app).sign_in().location == HOME


@pytest.mark.parametrize("who", ["admin@example.com", "nobody@example.com"])
def test_the_sixth_try_of_a_minute_waits_whoever_it_is(
    make_app: Callable[..., Flask], make_operator: Callable[..., int], frozen: time_machine.Traveller, who: str
) -> None:
    """Known and unknown addresses are throttled alike, from however many networks, with Redis away."""
    make_operator()
    app = make_app(ratelimit_enabled=True, redis_url="redis://127.0.0.1:1/0")
    codes = []
    for number in range(7):
        desk = Desk(app, f"198.51.{number}.7")
        answer = desk.sign_in(who, "wrong")
        codes.append(answer.status_code)
    assert codes == [401] * 5 + [429] * 2
    assert int(answer.headers["Retry-After"]) > 0
    assert "Please wait a moment" in answer.text
    assert audit(app).count("operator.sign_in_failed") == 5


def test_strangers_cannot_keep_out_a_device_that_has_signed_in(
    make_app: Callable[..., Flask], make_operator: Callable[..., int], frozen: time_machine.Traveller
) -> None:
    make_operator()
    app = make_app(ratelimit_enabled=True)
    own = Desk(app, "192.0.2.7")
    own.sign_in()
    own.send("/admin/sign-out")
    strangers = [Desk(app, f"198.51.{number}.7").sign_in(password="wrong").status_code for number in range(7)]
    assert strangers[-1] == 429
    assert Desk(app, "203.0.113.1").sign_in().status_code == 429
    # Its own budget is as small, and refills as the others do.
    assert [own.sign_in(password="wrong").status_code for _ in range(4)] == [401] * 4
    assert own.sign_in().status_code == 303


def test_the_cookie_of_a_device_is_worth_nothing_elsewhere_or_after_a_new_password(
    make_app: Callable[..., Flask], make_operator: Callable[..., int], frozen: time_machine.Traveller
) -> None:
    make_operator()
    make_operator(email="other@example.com")
    app = make_app(ratelimit_enabled=True)
    own = Desk(app, "192.0.2.7")
    own.sign_in()
    for number in range(5):
        Desk(app, f"198.51.{number}.7").sign_in("other@example.com", "wrong")
    own.send("/admin/sign-out")
    assert own.sign_in("other@example.com", "wrong").status_code == 429


def test_a_stolen_session_cannot_guess_the_password(
    make_app: Callable[..., Flask], make_operator: Callable[..., int], frozen: time_machine.Traveller
) -> None:
    make_operator()
    app = make_app(ratelimit_enabled=True)
    desk = Desk(app)
    desk.sign_in()
    paths = ("password", "recovery-codes", "second-factor/off", "password", "password", "second-factor/off")
    fields = {"password": "wrong", "new_password": "another password, long enough"}
    codes = [desk.send(f"/admin/account/{path}", fields).status_code for path in paths]
    # Without a second factor there are no recovery codes: that page looks at no password.
    assert codes == [303, 403, 303, 303, 303, 303]
    assert desk.send("/admin/account/password", fields).status_code == 429
    assert audit(app).count("operator.password_wrong") == 5


def test_half_a_sign_in_ends_with_the_password_that_began_it(
    app: Flask, desk: Callable[..., Desk], frozen: time_machine.Traveller
) -> None:
    signed_in = desk()
    totp, _ = set_up_totp(signed_in)
    frozen.shift(timedelta(seconds=60))
    half = Desk(app)
    half.sign_in()
    token = half.token("/admin/sign-in/code")
    signed_in.send("/admin/account/password", {"password": PASSWORD, "new_password": "another password, long enough"})
    answer = half.post("/admin/sign-in/code", {"csrf_token": token, "code": totp.now()})
    assert answer.location == SIGN_IN
    assert half.get(HOME).status_code == 302


def test_half_a_sign_in_works_once(app: Flask, desk: Callable[..., Desk], frozen: time_machine.Traveller) -> None:
    totp, _ = set_up_totp(desk())
    frozen.shift(timedelta(seconds=60))
    half, copy = Desk(app), Desk(app)
    half.sign_in()
    token = half.token("/admin/sign-in/code")
    cookie = half.client.get_cookie("notifier", domain=half.host)
    assert cookie is not None
    copy.client.set_cookie("notifier", cookie.value, domain=half.host)
    assert half.post("/admin/sign-in/code", {"csrf_token": token, "code": totp.now()}).status_code == 303
    frozen.shift(timedelta(seconds=60))
    answer = copy.post("/admin/sign-in/code", {"csrf_token": token, "code": totp.now()})
    assert answer.location == SIGN_IN
    assert copy.get(HOME).status_code == 302


def test_one_client_cannot_try_many_addresses(make_app: Callable[..., Flask], frozen: time_machine.Traveller) -> None:
    app = make_app(ratelimit_enabled=True)
    codes = [Desk(app).sign_in(f"person{number}@example.com", "wrong").status_code for number in range(12)]
    assert codes == [401] * 10 + [429] * 2


def test_codes_are_counted_for_the_operator_not_for_the_cookie(
    make_app: Callable[..., Flask], desk: Callable[..., Desk], frozen: time_machine.Traveller
) -> None:
    set_up_totp(desk())
    app = make_app(ratelimit_enabled=True)
    first, second = Desk(app, "198.51.100.7"), Desk(app, "203.0.113.7")
    codes = []
    for each in (first, second):
        each.sign_in()
        codes += [
            each.send("/admin/sign-in/code", {"code": "000000"}, "/admin/sign-in/code").status_code for _ in range(3)
        ]
    assert codes == [401] * 5 + [429]


def test_a_new_password_needs_the_old_one_and_ends_other_sessions(desk: Callable[..., Desk], app: Flask) -> None:
    here, elsewhere = desk(), Desk(app)
    elsewhere.sign_in()
    new = "another password, long enough"
    here.send("/admin/account/password", {"password": "wrong", "new_password": new})
    assert elsewhere.get(HOME).status_code == 200
    here.send("/admin/account/password", {"password": PASSWORD, "new_password": "short"})
    assert elsewhere.get(HOME).status_code == 200
    here.send("/admin/account/password", {"password": PASSWORD, "new_password": new})
    assert here.get(HOME).status_code == 200
    assert elsewhere.get(HOME).status_code == 401
    assert Desk(app).sign_in(password=new).status_code == 303


def test_sessions_that_are_over_are_not_kept(
    desk: Callable[..., Desk], app: Flask, frozen: time_machine.Traveller
) -> None:
    desk()
    frozen.shift(timedelta(hours=1))
    Desk(app).sign_in()
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(OperatorSession)) == 1
