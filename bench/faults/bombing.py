"""Email bombing: a flood of sign-ups that bounce, and many networks against one mailbox, through the real form."""

import json
import time
from contextlib import ExitStack
from typing import Any

from bench.faults.history import Seen
from bench.faults.result import Result
from bench.faults.scene import Scene
from bench.faults.stage import Stage
from notifier.dev.ports import wait_until
from notifier.testing.browse import Visitor

#: Sign-ups of the flood, and their networks.
FLOOD, NETWORKS = 300, 60
#: A person with an address at a known provider signs up each time after this many of them.
EVERY = 30
NO_SUCH_USER = "550 5.1.1 No such user here"
VICTIM = "victim+{}@gmail.com"

#: More than a fifth of the last hundred, and those being sent when the last of them bounced.
TRIED_AT_ONCE = 21 + 40
#: First emails a minute while they are slowed; emails a day to one mailbox. The defaults of the settings.
PER_MINUTE, PER_DAY = 10, 5
#: Seconds between a sign-up at a known provider and the mail server's acceptance.
PATIENCE = 1.0
#: Seconds for which the line of slowed emails is watched.
WATCH = 15.0


def email_bombing(stage: Stage) -> Result:
    """300 sign-ups at one unknown domain bounce; meanwhile gmail.com; then 60 networks against one mailbox."""
    result = Result("email_bombing", "I1 I3 I6 I10")
    with ExitStack() as stack:
        scene = Scene(stage, stack)
        victims = [f"nobody{number}@flood.example" for number in range(FLOOD)]
        scene.sink.behave(json.dumps({"refuse": dict.fromkeys(victims, NO_SUCH_USER)}))
        scene.worker("notifier.transactional")
        started = time.monotonic()
        people, answers = _flood(stage, victims)
        seconds = time.monotonic() - started
        _check_known(result, scene, people)
        time.sleep(WATCH)
        _check_flood(result, scene, victims, answers, time.monotonic() - started)
        result.figures["flood s"] = round(seconds, 1)
        _check_mailbox(result, scene, stage)
        stage.execute("DELETE FROM notifier_users WHERE email NOT LIKE 'seed-%%'")
    return result


def _sign_up(stage: Stage, address: str, network: int) -> int:
    status: int = Visitor(stage.app, f"10.{network // 250}.{network % 250}.9").sign_up(address).status_code
    return status


def _flood(stage: Stage, victims: list[str]) -> tuple[dict[str, float], list[int]]:
    """Flood the form. Return address at gmail.com -> time of its sign-up, and the answers to the flood."""
    people: dict[str, float] = {}
    answers = []
    for number, address in enumerate(victims):
        answers.append(_sign_up(stage, address, number % NETWORKS))
        if number % EVERY == EVERY - 1:
            person = f"person{number}@gmail.com"
            people[person] = time.monotonic()
            _sign_up(stage, person, 200 + number)
    return people, answers


def _check_known(result: Result, scene: Scene, people: dict[str, float]) -> None:
    wait_until(lambda: len(_accepted(scene.sink.look())) >= len(people), 10, pause=0.1)
    accepted = _accepted(scene.sink.look())
    waits = [accepted[person] - since for person, since in people.items() if person in accepted]
    result.expect(len(waits) == len(people), f"I1: {len(people) - len(waits)} people at gmail.com got nothing")
    slowest = max(waits, default=float("inf"))
    result.figures |= {"gmail.com accepted": len(waits), "slowest s": slowest}
    result.expect(slowest <= PATIENCE, f"I10: a sign-up at gmail.com was accepted after {slowest:.1f} s")


def _accepted(seen: Seen) -> dict[str, float]:
    return {name: mails[0].accepted or 0.0 for name, mails in seen.copies().items()}


def _check_flood(result: Result, scene: Scene, victims: list[str], answers: list[int], seconds: float) -> None:
    tried = sum(scene.sink.look().refused[address] for address in victims)
    query = """
        SELECT coalesce(reason_code, status), count(*) FROM notifier_notifications WHERE recipient LIKE %s GROUP BY 1"""
    rows: dict[str, Any] = dict(scene.stage.execute(query, "%@flood.example"))
    most = TRIED_AT_ONCE + seconds * PER_MINUTE / 60
    result.figures |= {"flood": len(answers), "tried": tried, "rows of the flood": rows}
    result.expect(set(answers) == {303}, f"the form answered {sorted(set(answers))}")
    result.expect(
        tried <= most, f"I6: {tried} first emails were tried in {seconds:.0f} s, at most {most:.0f} are allowed"
    )
    waiting = rows.get("first_emails_slowed", 0)
    result.expect(waiting >= FLOOD - most, f"only {waiting} rows say that first emails are slowed")
    result.expect(sum(rows.values()) == FLOOD, f"I1: {FLOOD - sum(rows.values())} sign-ups have no row")


def _check_mailbox(result: Result, scene: Scene, stage: Stage) -> None:
    """Sign up once from each network, all for one mailbox; the form itself refuses some."""
    answers = [_sign_up(stage, VICTIM.format(number), 300 + number) for number in range(NETWORKS)]
    mine = "SELECT status, count(*) FROM notifier_notifications WHERE recipient LIKE 'victim+%%' GROUP BY status"
    wait_until(lambda: not stage.execute("SELECT FROM notifier_account_requests"), 10, pause=0.1)
    wait_until(lambda: not {"pending", "sending"} & set(dict(stage.execute(mine))), 10, pause=0.1)
    rows: dict[str, Any] = dict(stage.execute(mine))
    copies = sum(len(mails) for name, mails in scene.sink.look().copies().items() if name.startswith("victim+"))
    result.figures |= {
        "one mailbox": {"networks": NETWORKS, "refused by the form": answers.count(429)},
        "rows of the mailbox": rows,
        "emails to the mailbox": copies,
    }
    result.expect(copies == PER_DAY, f"I6: the mailbox got {copies} emails, the limit is {PER_DAY} a day")
    stored = answers.count(303)
    result.expect(sum(rows.values()) == stored, f"I1: {stored - sum(rows.values())} sign-ups have no row")
