"""A relay that answers 250, and reports later that Microsoft refuses us."""

import time
from contextlib import ExitStack
from datetime import datetime
from itertools import cycle, islice

from bench.faults.result import Result
from bench.faults.stage import Stage
from bench.world.dns import CUSTOMERS
from bench.world.people import move_in
from bench.world.scene import World
from notifier.mail import providers
from notifier.models import RunState

#: Domains of Microsoft's own people; with customers, a single one.
OWN = ("outlook.com", "hotmail.com", "live.com", "msn.com", "outlook.de", "live.fr")
#: Emails a second: slow enough that many still wait when the fifth report comes.
RATE = 8.0
PEOPLE = 400
#: Domains that must report before campaigns pause: MAIL_PROVIDER_WITNESSES.
WITNESSES = 5


def refusing(stage: Stage, *, customers: bool) -> Result:
    """Send a campaign, half of it to Microsoft: to its own domains, or almost only to those of its `customers`."""
    where = "customers' domains" if customers else "its own domains"
    result = Result(f"Microsoft refuses us behind a relay, at {where}", f"{PEOPLE} emails")
    theirs = (OWN[0], *CUSTOMERS) if customers else OWN
    addresses = move_in(stage, _mixed(theirs))
    with ExitStack() as stack:
        world = World(stage, stack, {})
        world.relay.refuses = frozenset(theirs)
        pk = world.announce("news", rate=RATE, user_to=max(addresses))
        _paused(world, result, theirs, customers=customers)
        _others(world, result, pk, set(theirs))
        _single(world, result, addresses)
        _repaired(world, result, pk)
    return result


def _mixed(theirs: tuple[str, ...]) -> list[str]:
    others = cycle(("example.net", "gmail.com"))
    return [each for domain in islice(cycle(theirs), PEOPLE // 2) for each in (domain, next(others))]


def _paused(world: World, result: Result, theirs: tuple[str, ...], *, customers: bool) -> None:
    """Wait for the pause, and look which report decided."""
    held = "SELECT scope, bulk_only, held_since, text FROM notifier_provider_holds"
    is_held = world.wait(lambda: bool(world.stage.execute(held)), 60)
    result.expect(is_held, "campaigns to Microsoft are not paused")
    if not is_held:
        return
    ((scope, bulk_only, since, text),) = world.stage.execute(held)
    result.expect((scope, bulk_only) == ("microsoft", True), f"held is {scope}, campaigns alone: {bulk_only}")
    before, then = (_domains(world, since, comparison) for comparison in ("<", "<="))
    world.tell(f"campaigns to Microsoft are paused: {text}")
    world.tell(f"reports from {len(then)} domains decided, {len(before)} before the last: {', '.join(sorted(then))}")
    result.expect(len(then) >= WITNESSES, "fewer than five domains paused it")
    if not customers:
        # Reports that are read together decide together.
        result.expect(len(before) < WITNESSES, f"it was not paused by reports from {len(before)} domains")
    result.figures["domains that decided"] = len(then)


def _domains(world: World, since: datetime, comparison: str) -> set[str]:
    query = f"SELECT DISTINCT split_part(identity_key, '@', 2) FROM notifier_feedback WHERE received_at {comparison} %s"
    return {row[0] for row in world.stage.execute(query, since)}


def _others(world: World, result: Result, pk: int, theirs: set[str]) -> None:
    """Wait until everyone else has theirs."""
    where = "run_id = %s AND status IN ('pending', 'sending') AND coalesce(reason_code, '') != 'provider_held'"
    done = world.wait(lambda: not world.count(where, pk), 60 + PEOPLE / RATE)
    got = [each for each in world.relay.accepted() if providers.domain_of(each) not in theirs]
    held = world.count("run_id = %s AND status = 'pending' AND reason_code = 'provider_held'", pk)
    world.tell(f"all {len(got)} others got theirs; {held} to Microsoft wait")
    result.expect(done and len(got) == PEOPLE // 2, f"{len(got)} of {PEOPLE // 2} others got theirs")
    result.expect(held > 0, "nothing waits for Microsoft")
    result.expect(not world.suppressed(), f"{len(world.suppressed())} are suppressed")
    result.figures |= {"others": len(got), "waiting": held}


def _single(world: World, result: Result, addresses: dict[int, str]) -> None:
    """Send a verification email to Microsoft."""
    address = "new@outlook.com"
    query = """
        INSERT INTO notifier_notifications (kind, user_id, recipient, dedupe_key, params, bulk, on_unknown, status,
            claims, attempts, unknowns, next_attempt_at, enqueue_at, deadline, created_at)
        VALUES ('verification', %s, %s, 'world:single', '{}', false, 'resend', 'pending', 0, 0, 0, now(),
            now(), now() + interval '1 day', now())"""
    world.stage.execute(query, min(addresses), address)
    sent = world.wait(lambda: address in world.relay.accepted(), 15)
    world.tell(f"a verification email to Microsoft {'goes out' if sent else 'waits'}")
    result.expect(sent, "a verification email to Microsoft waits")


def _repaired(world: World, result: Result, pk: int) -> None:
    """Look whom `repair` offers; then let the provider change its mind, and repair."""
    world.wait(world.relay.is_quiet, 30)
    damage = world.answer("repair", "--run", str(pk), "--dry-run")["damage"]
    people = "SELECT recipient FROM notifier_notifications WHERE id = ANY(%s)"
    offered = {row[0] for row in world.stage.execute(people, damage["refused"])}
    refused = world.relay.reported["refused"] - {"new@outlook.com"}
    world.tell(f"repair offers {len(offered)} people; Microsoft refused the emails of {len(refused)}")
    result.expect(offered == refused and not damage["people"], f"repair offers {len(offered)} of {len(refused)} people")
    world.relay.refuses = frozenset()
    time.sleep(1)
    # An hour later.
    world.stage.execute("UPDATE notifier_provider_holds SET next_probe_at = now()")
    world.stage.execute(
        "UPDATE notifier_notifications SET next_attempt_at = now(), enqueue_at = now() "
        "WHERE status = 'pending' AND reason_code = 'provider_held'"
    )
    over = world.wait(lambda: world.run(pk).state == RunState.done, 60 + PEOPLE / RATE)
    result.expect(over, f"the run is {world.run(pk).state} after Microsoft changed its mind")
    said = world.command("repair", "--run", str(pk), "--yes").strip().splitlines()[-1]
    world.tell(said)
    done = world.wait(lambda: _copies(world, refused) == {2}, 60 + len(refused) / RATE)
    result.expect(done, f"the refused people have {_copies(world, refused)} copies, not two")
    result.expect(not world.suppressed(), f"{len(world.suppressed())} are suppressed")
    result.figures |= {"refused": len(refused), "repaired": len(offered)}


def _copies(world: World, people: set[str]) -> set[int]:
    accepted = world.relay.accepted()
    return {accepted.count(each) for each in people}
