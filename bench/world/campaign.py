"""A campaign to the world: what the brakes do, who is suppressed, and that the others go on."""

import re
import time
from collections import Counter
from contextlib import ExitStack

from bench.faults.result import Result
from bench.faults.stage import Stage
from bench.world.people import COMPLAINS, Fate, People, settle
from bench.world.scene import World
from notifier.mail import providers
from notifier.models import CampaignRun, RunState

#: Emails a second, so that reports come back while the campaign is sent.
RATE = 120.0
#: Seconds after a brake in which emails that were under way may still go out.
UNDER_WAY = 4.0
#: Emails that must be new before the same brake stops it again: MAIL_RUN_DEAD_LEAST and MAIL_RUN_COMPLAINTS_LEAST.
LEAST_DEAD, LEAST_COMPLAINTS = 200, 1000
#: The share of the people who get the second campaign.
SECOND = 0.2

_OF = re.compile(r"of ([\d,]+) ")


def campaign(stage: Stage, *, emails: int, seed: int, direct: bool) -> Result:
    """Send a campaign, and a second one to some of its people. `direct`: refusals come in the SMTP dialogue."""
    result = Result("campaign, refused at once" if direct else "campaign, behind a relay", f"{emails:,} emails")
    people = settle(stage, emails, seed)
    with ExitStack() as stack:
        world = World(stage, stack, people.fates, direct=direct)
        pk = world.announce("news", rate=RATE, user_to=max(people.addresses))
        act = _Act(world, result, people, pk, direct=direct)
        act.send()
        act.judge()
        act.again()
    return result


class _Act:
    def __init__(self, world: World, result: Result, people: People, pk: int, *, direct: bool) -> None:
        self._world, self._result, self._people, self._pk, self._direct = world, result, people, pk, direct
        self._expect = result.expect
        #: How often each brake stopped the run.
        self._stops: Counter[str] = Counter()
        self._told = False
        #: Accepted emails when an operator resumed it last.
        self._resumed_at: dict[str, int] = {}

    def send(self) -> None:
        """Send it, as the operator of the brakes, until everyone had their email."""
        limit = time.monotonic() + 60 + 6 * len(self._people.addresses) / RATE
        while time.monotonic() < limit:
            run = self._world.run(self._pk)
            if run.state == RunState.paused:
                self._dead(run)
            elif run.paused_providers and not self._goes_on_elsewhere():
                self._complaints(run)
            elif run.paused_providers and not self._stops["complaints"]:
                self._others_go_on(run)
            elif run.state == RunState.done and self._world.relay.is_quiet():
                return
            if self._direct:
                # A full mailbox is tried again in minutes; here at once.
                self._world.stage.execute(
                    "UPDATE notifier_notifications SET next_attempt_at = now(), enqueue_at = now() "
                    "WHERE status = 'pending' AND reason_code = 'try_later' AND next_attempt_at > now()"
                )
            time.sleep(0.25)
        self._expect(False, f"the campaign did not end: {self._world.run(self._pk).state}")

    def _dead(self, run: CampaignRun) -> None:
        """See the whole run stand still; then resume it."""
        self._stopped("dead", run, LEAST_DEAD, run.reason or "", len(self._world.relay.accepted()))
        time.sleep(UNDER_WAY)
        before = len(self._world.relay.accepted())
        time.sleep(2)
        self._expect(len(self._world.relay.accepted()) == before, "emails go out although the run is paused")
        early = self._world.suppressed() - self._reported()
        self._expect(not early, f"{len(early)} are suppressed whose email has not come back")
        self._resume("dead")

    def _goes_on_elsewhere(self) -> bool:
        """Return whether emails to other providers still wait or are sent."""
        where = "run_id = %s AND status IN ('pending', 'sending') AND coalesce(reason_code, '') != 'provider_paused'"
        return self._world.run(self._pk).state == RunState.expanding or bool(self._world.count(where, self._pk))

    def _others_go_on(self, run: CampaignRun) -> None:
        """See that only the provider whose people complained gets nothing any more."""
        ((scope, reason),) = run.paused_providers.items()
        if not self._told:
            self._told = True
            self._world.tell(f"complaints stop the emails to {providers.label_of(scope)}: {reason}")
            self._expect(scope == COMPLAINS and run.reason == reason, f"{scope} is paused, the run says {run.reason}")
            self._expect(_of(reason) >= LEAST_COMPLAINTS, f"too few emails decided: {reason}")
            time.sleep(UNDER_WAY)
        before = self._world.relay.by_scope()
        time.sleep(2)
        after = self._world.relay.by_scope()
        theirs, others = after[COMPLAINS] - before[COMPLAINS], sum((after - before).values())
        self._expect(not theirs, f"{scope} gets emails although they are paused")
        # The other brake may have stopped the whole run meanwhile.
        if others and self._world.run(self._pk).state == RunState.sending:
            self._stops["complaints"] += 1
            self._world.tell(f"in 2 s of it, {COMPLAINS} got {theirs}, the others {others:,}")

    def _complaints(self, run: CampaignRun) -> None:
        """See that all others have theirs; then resume the provider."""
        waiting = self._world.count("run_id = %s AND status = 'pending' AND reason_code = 'provider_paused'", self._pk)
        sent = sorted(self._world.relay.by_scope().items(), key=lambda item: -item[1])
        self._world.tell(f"all others are done, {waiting:,} wait; got: {', '.join(f'{k} {n:,}' for k, n in sent)}")
        self._expect(waiting > 0, "nothing waits for an operator")
        at = self._world.relay.by_scope()[COMPLAINS]
        if "complaints" in self._resumed_at:
            fresh = at - self._resumed_at["complaints"]
            self._expect(fresh >= LEAST_COMPLAINTS, f"stopped again after only {fresh} new emails to the provider")
        if self._resume("complaints"):
            self._resumed_at["complaints"] = at

    def _stopped(self, brake: str, run: CampaignRun, least: int, reason: str, accepted: int) -> None:
        self._stops[brake] += 1
        self._world.tell(f"the run is paused ({run.reason_code}): {reason}; {accepted:,} accepted by then")
        self._expect(run.reason_code == "too_many_dead", f"it is paused for {run.reason_code}")
        self._expect(_of(reason) >= least, f"too few emails decided: {reason}")
        if brake in self._resumed_at:
            fresh = accepted - self._resumed_at[brake]
            self._expect(fresh >= least // 2, f"stopped again after only {fresh} new emails")

    def _resume(self, brake: str) -> bool:
        """Resume the run as an operator does. Return False if it had just been paused: then that was lifted first."""
        accepted = len(self._world.relay.accepted())
        said = self._world.command("campaign", "resume", "news", "--run", str(self._pk), "--keep").strip()
        self._world.tell(f"an operator resumes it: {said}")
        if brake == "complaints" and "stays paused" in said:
            return False
        self._resumed_at[brake] = accepted
        time.sleep(1.5)
        run = self._world.run(self._pk)
        again = run.state == RunState.paused if brake == "dead" else bool(run.paused_providers)
        fresh = len(self._world.relay.accepted()) - accepted
        # What was being sent when the brake stopped the run counts as new, too.
        self._expect(not again or fresh >= LEAST_DEAD // 2, f"it is paused again after only {fresh} new emails")
        return True

    def _reported(self) -> set[str]:
        reported = self._world.relay.reported
        return reported["hard"] | reported["spam"]

    def judge(self) -> None:
        """Compare what everyone got, and who is suppressed."""
        relay, fates = self._world.relay, self._people.fates
        got = Counter(relay.accepted())
        missing = {each for each, fate in fates.items() if got[each] != 1 and (fate is not Fate.hard)}
        wrong = {each for each in self._people.of(Fate.hard) if got[each] != (0 if self._direct else 1)}
        self._expect(not missing and not wrong, f"{len(missing | wrong)} did not get exactly one email")
        wanted = self._people.of(Fate.hard, Fate.spam)
        suppressed = self._world.suppressed()
        self._expect(self._world.run(self._pk).braked_at is not None, "dead addresses never paused the run")
        self._expect(self._stops["complaints"] > 0, "the others did not go on while the provider was paused")
        more, less = len(suppressed - wanted), len(wanted - suppressed)
        self._expect(suppressed == wanted, f"{more} too many are suppressed, {less} are missing")
        dead, full, spam = (len(self._people.of(fate)) for fate in (Fate.hard, Fate.soft, Fate.spam))
        self._world.tell(
            f"suppressed: {len(suppressed):,}, {dead:,} are dead, {spam:,} complained; full mailboxes: {full:,}"
        )
        self._result.figures |= {
            "accepted": len(relay.accepted()),
            "stops": dict(self._stops),
            "suppressed": len(suppressed),
            "got": dict(relay.by_scope()),
        }

    def again(self) -> None:
        """Send a second campaign to some: full mailboxes are emptied, and who is suppressed gets nothing."""
        relay, before = self._world.relay, len(self._world.relay.accepted())
        some = dict(sorted(self._people.addresses.items())[: round(SECOND * len(self._people.addresses))])
        pk = self._world.announce("more-news", rate=4 * RATE, user_to=max(some))
        done = self._world.wait(lambda: self._world.run(pk).state == RunState.done and relay.is_quiet(), 180)
        got = set(relay.accepted()[before:])
        wanted = {each for each in some.values() if self._people.fates[each] in (Fate.fine, Fate.soft)}
        self._expect(done, f"the second campaign did not end: {self._world.run(pk).state}")
        more, less = len(got - wanted), len(wanted - got)
        self._expect(got == wanted, f"{more} too many got the second campaign, {less} are missing")
        healed = got & self._people.of(Fate.soft)
        self._expect(not healed & self._world.suppressed(), "people whose mailbox was full are suppressed")
        self._world.tell(f"a second campaign: {len(got):,} got it, {len(healed):,} of them had a full mailbox before")
        self._result.figures["healed"] = len(healed)


def _of(reason: str) -> int:
    found = _OF.search(reason)
    return int(found[1].replace(",", "")) if found else 0
