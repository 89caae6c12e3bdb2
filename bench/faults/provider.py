"""A provider refuses us: its emails wait, the others go on, and all follow when it changes its mind."""

import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from bench.faults.checker import tally
from bench.faults.history import Seen
from bench.faults.result import Result
from bench.faults.scene import Scene, Sink
from bench.faults.stage import Stage
from notifier.dev.ports import wait_until
from notifier.extensions import db
from notifier.observability.held_providers import HeldProvider, held_providers

REFUSAL = "550 5.7.515 Access denied, sending domain does not meet the required authentication level"
MICROSOFT = ("outlook.com", "hotmail.com")
REFUSES = json.dumps({"eod": dict.fromkeys(MICROSOFT, REFUSAL)})

#: The other emails may take this many times as long as without a refusal, and this many seconds more.
SLOWER, SLACK = 1.5, 3.0


@dataclass(frozen=True)
class Patience:
    """Times of the probes and of the refusals, in seconds."""

    first: float
    longest: float
    refuses: float


#: As in production. The provider changes its mind between two probes.
FULL = Patience(first=60, longest=300, refuses=90)
QUICK = Patience(first=2, longest=10, refuses=5)


def provider_hold(stage: Stage, *, mails: int, patience: Patience) -> Result:
    """Send to recipients of whom a third are Microsoft's, which refuses us; then again through two transports."""
    result = Result("provider_hold", "I1 I2 I4 I5 I7 I8")
    with ExitStack() as stack:
        usual = _usual(stage, stack, mails, result)
    with ExitStack() as stack:
        _held_and_resumed(stage, stack, mails, patience, usual, result)
    with ExitStack() as stack:
        _carried_by_the_second(stage, stack, mails, result)
    return result


def _usual(stage: Stage, stack: ExitStack, mails: int, result: Result) -> float:
    """Return the seconds that an email takes without a fault."""
    scene = Scene(stage, stack)
    _start(scene)
    seconds = _seconds_until(scene, _owe(scene, mails), mails)
    result.expect(seconds is not None, "the emails did not go out without a fault")
    return (seconds or 0.0) / mails


def _held_and_resumed(
    stage: Stage, stack: ExitStack, mails: int, patience: Patience, usual: float, result: Result
) -> None:
    scene = Scene(stage, stack)
    scene.sink.behave(REFUSES)
    _start(scene, MAIL_PROBE_FIRST=str(patience.first), MAIL_PROBE_LONGEST=str(patience.longest))
    keys = _owe(scene, mails)
    others = mails - _theirs(mails)
    begun = time.monotonic()
    seconds = _seconds_until(scene, keys, others)
    result.expect(seconds is not None, "the others did not all get theirs while Microsoft refused us")
    limit = usual * others * SLOWER + SLACK
    result.figures |= {"the others s": seconds or -1.0, "as many without a refusal s": usual * others}
    result.expect(seconds is None or seconds <= limit, f"the others took {seconds} s, at most {limit:.1f} are allowed")

    waited = wait_until(lambda: not _count(stage, "status = 'sending'"), 30)
    held = _shown(stage)
    result.expect(waited and [each.name for each in held] == ["Microsoft"], f"held are {[each.name for each in held]}")
    result.expect(all("5.7.515" in each.said or "Access denied" in each.said for each in held), "the text is missing")
    result.figures["shown as waiting"] = held[0].waiting if held else 0

    time.sleep(max(0.0, begun + patience.refuses - time.monotonic()))
    refused = sum(scene.sink.look().refused.values())
    burnt = _count(stage, "status = 'pending' AND attempts > 0")
    failed = _count(stage, "status NOT IN ('pending', 'sending', 'sent')")
    result.figures |= {"refusals met": refused, "attempts used up": burnt, "failed": failed}
    result.expect(not burnt and not failed, f"{burnt} attempts were used up, {failed} emails failed")
    scene.sink.behave()
    changed = time.monotonic()
    over = wait_until(lambda: not _shown(stage), patience.longest + SLACK, pause=0.2)
    result.figures["resumed after s"] = time.monotonic() - changed
    result.expect(over, f"it was not resumed within {patience.longest:.0f} s of the server's change of mind")
    result.expect(scene.settle(60), "I8: rows are under way 60 s after it was resumed")
    rows = scene.rows()
    found = tally(rows, scene.sink.look())
    result.add(found)
    result.expect({(row.status, row.attempts) for row in rows} == {("sent", 1)}, "not each was sent with one attempt")


def _carried_by_the_second(stage: Stage, stack: ExitStack, mails: int, result: Result) -> None:
    scene = Scene(stage, stack)
    scene.sink.behave(REFUSES)
    (folder := scene.folder / "second").mkdir()
    second = Sink(stack, folder, 4.0)
    transports = scene.folder / "transports.toml"
    transports.write_text(
        f'[[transport]]\nname = "second"\nserver = "127.0.0.1"\nport = {second.port}\nsecurity = "none"\nweight = 0\n'
    )
    _start(scene, MAIL_TRANSPORTS=str(transports))
    scene.ring(_owe(scene, mails))
    result.expect(scene.settle(120), "I8: rows are under way although the second transport is open")
    theirs = _count(stage, "transport = 'second'")
    result.figures["carried by the second"] = theirs
    result.expect(theirs == _theirs(mails), f"the second carried {theirs} of {_theirs(mails)}")
    result.expect(_accepted(second.look(), MICROSOFT) == theirs, "the second did not accept what the rows say")
    result.expect({row.status for row in scene.rows()} == {"sent"}, "not all were sent")


def _start(scene: Scene, **env: str) -> None:
    # DNS is not used, so it needs no network.
    scene.worker(MAIL_MX_TTL="0", **env)


def _owe(scene: Scene, mails: int) -> list[int]:
    """Create that many emails; every third is for one of Microsoft's domains."""
    keys = scene.owe(mails, grace=5)
    scene.stage.execute(
        """
        UPDATE notifier_notifications
        SET recipient = split_part(recipient, '@', 1) || id || '@' || (%s::text[])[1 + id / 3 %% 2]
        WHERE id %% 3 = 0""",
        list(MICROSOFT),
    )
    return keys


def _theirs(mails: int) -> int:
    """Return how many of that many are Microsoft's; the keys begin with 1."""
    return mails // 3


def _seconds_until(scene: Scene, keys: Sequence[int], sent: int) -> float | None:
    """Enqueue these keys. Return the seconds until `sent` are accepted, or None if it takes too long."""
    begun = time.monotonic()
    scene.ring(keys)
    done = wait_until(lambda: scene.sink.look().accepted >= sent, 120, pause=0.05)
    return time.monotonic() - begun if done else None


def _accepted(seen: Seen, domains: Sequence[str]) -> int:
    return sum(len(mails) for who, mails in seen.copies().items() if who.endswith(tuple(domains)))


def _count(stage: Stage, where: str) -> int:
    return int(stage.execute(f"SELECT count(*) FROM notifier_notifications WHERE {where}")[0][0])


def _shown(stage: Stage) -> Sequence[HeldProvider]:
    """Return the providers that the dashboard and `health` show."""
    with stage.app.app_context():
        held = held_providers(db.session())
        db.session.remove()
    return held
