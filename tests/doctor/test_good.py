"""Five set-ups that are good in different ways: no alarm."""

from pathlib import Path

import pytest

from notifier.doctor import one_click
from notifier.sender_auth import Level, WebAnswer, WebUnreachable
from notifier.sender_auth.dkim_keys import PublicKey
from tests.support.commands import runner
from tests.support.dns import StubWeb
from tests.support.doctor import BASE, BOUNCES, IP, POLICY, D, Setup, alarms, built, examined

#: Long enough for all receivers, and with no private key.
THEIRS = PublicKey("rsa", ((1 << 2047) + 1, 65537))

GOOD = {
    # Everything, with all optional parts.
    "everything": Setup().but(settings={"mail_cfbl_address": f"fbl@{D}"}),
    # A relay signs for us, with its own host names in SPF; bounces come back to the From domain; no MTA-STS.
    "a relay that signs": Setup().but(
        key=None,
        words=("--ip", IP, "--selector", "relay1"),
        settings={"mail_bounce_address": None},
        records={
            ("txt", f"relay1._domainkey.{D}"): [THEIRS.record],
        },
    ),
    # The From address is at a subdomain, the record above it has no p for it but sp, and SPF is redirected; over IPv6.
    "a subdomain": Setup().but(
        words=("--ip", "2001:db8::7"),
        settings={"mail_default_sender": f"Acme <hello@news.{D}>", "mail_reply_to": ""},
        records={
            ("txt", BOUNCES): ["v=spf1 redirect=relay.example"],
            ("txt", f"_dmarc.{D}"): [
                f"v=DMARC1;sp=quarantine;p=none;np=reject;rua=mailto:d@{D},mailto:x@reports.example"
            ],
            ("txt", f"{D}._report._dmarc.reports.example"): ["v=DMARC1"],
            ("mx", f"news.{D}"): [f"in.{D}"],
            ("ptr", "2001:db8::7"): [f"out6.{D}"],
            ("a", f"out6.{D}"): ["2001:0db8:0::7"],
        },
    ),
    # Behind a firewall: the web cannot be reached from here, and the sending address is not known.
    "behind a firewall": Setup().but(
        words=(),
        records={("txt", f"_mta-sts.{BOUNCES}"): []},
        web={
            ("POST", f"{BASE}/u/"): WebUnreachable("No route to host"),
            ("GET", POLICY): WebUnreachable("No route to host"),
        },
    ),
    # Below a public suffix that publishes a policy itself, with strict alignment of DKIM, and quarantine of our own.
    "below a public suffix": Setup().but(
        settings={"mail_bounce_address": f"b-@{D}"},
        records={
            ("txt", "_dmarc.example"): ["v=DMARC1; psd=y; p=reject; rua=mailto:registry@example"],
            ("txt", f"_dmarc.{D}"): [f"v=DMARC1; psd=n; p=quarantine; adkim=s; aspf=r; rua=mailto:d@{D}!10m; later=1"],
        },
    ),
}


@pytest.mark.parametrize("setup", GOOD.values(), ids=list(GOOD))
def test_a_good_setup_gives_no_alarm(setup: Setup, tmp_path: Path, database: str) -> None:
    lines = examined(setup, tmp_path, database)
    assert alarms(lines) == []
    assert len({line["group"] for line in lines}) == 4
    assert all(line["cure"] for line in lines if line["level"] == "skipped")


def test_the_former_name_of_the_command_does_the_same(tmp_path: Path, database: str) -> None:
    with built(Setup(), tmp_path, database) as (app, _, web):
        with app.app_context():
            results = [runner(app)(name, "--json", "--ip", IP) for name in ("doctor", "check-dns")]
        assert results[0].output == results[1].output
        assert [result.exit_code for result in results] == [0, 0]
        # The only request to our own address is the one-click POST of a link that belongs to no one.
        asked = [(method, url, form) for method, url, form in web.asked if url.startswith(BASE)]
        assert asked == [("POST", f"{BASE}/u/doctor", "List-Unsubscribe=One-Click")] * 2


def test_a_real_answer_of_ours_is_recognised(tmp_path: Path, database: str) -> None:
    with built(Setup(), tmp_path, database) as (app, _, _):
        answer = app.test_client().post(
            "/u/doctor", data=one_click.BODY, content_type="application/x-www-form-urlencoded"
        )
    headers = {name.lower(): value for name, value in answer.headers.items()}
    stub = StubWeb({("POST", BASE): WebAnswer(answer.status_code, headers, answer.text)})
    assert one_click.check(BASE, stub).level is Level.OK


def test_what_cannot_be_reached_from_here_says_how_to_test_it(tmp_path: Path, database: str) -> None:
    lines = examined(GOOD["behind a firewall"], tmp_path, database)
    (line,) = [line for line in lines if line["rule"] == "one-click.post"]
    assert line["level"] == "skipped"
    assert f"curl -i -d List-Unsubscribe=One-Click {BASE}/u/doctor" in line["cure"]
