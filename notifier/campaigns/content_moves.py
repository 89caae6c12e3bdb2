"""Move waiting emails to another version of the content, if no attempt of them ever began."""

from collections.abc import Callable, Sequence

from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.audience import Kinds
from notifier.campaigns.content_versions import kind_of
from notifier.campaigns.control import find_run
from notifier.campaigns.errors import CampaignError
from notifier.campaigns.runs import run_of
from notifier.campaigns.tick import CHUNK
from notifier.database.transaction import transaction
from notifier.models import OPEN, Campaign, CampaignRun
from notifier.operators import audit_log
from notifier.operators.audit_log import Actor


class Moving:
    """Move emails in short transactions. A second call changes nothing; a kill leaves each email with one version."""

    def __init__(self, session: Callable[[], Session], kinds: Kinds, *, chunk: int = CHUNK) -> None:
        """Move emails of these kinds, `chunk` in a transaction."""
        self._chunk = chunk
        self._session = session
        self._kinds = kinds

    def move(self, run_ids: Sequence[int], *, by: Actor) -> int:
        """Give the waiting emails of these runs the content that counts now. Return how many emails.

        Emails that these runs will still add get it too. Raise CampaignError for a run that is over, or of an earlier
        edition.
        """
        with transaction(self._session) as session:
            for run_id in run_ids:
                self._aim(session, run_id, by)
        return sum(self._moved(run_id) for run_id in run_ids)

    def _aim(self, session: Session, run_id: int, by: Actor) -> None:
        run = find_run(session, run_id)
        campaign = session.get_one(Campaign, run.campaign_id, populate_existing=True)
        why_not = self._why_not(run, campaign)
        if why_not is not None:
            raise CampaignError(f"No email of run {run.id} can move: {why_not}.")
        if run.edition is None or run.content_id == campaign.content_id:
            return
        before, run.content_id = {"content": run.content_id}, campaign.content_id
        after = {"content": run.content_id}
        audit_log.record(session, by, "run.moved", object_type="run", object_id=run.id, before=before, after=after)

    def _why_not(self, run: CampaignRun, campaign: Campaign) -> str | None:
        if run.state not in OPEN:
            return f"it is {run.state}"
        editions = kind_of(campaign, self._kinds).editions
        if editions and run.edition is not None and run.edition != campaign.edition:
            return f"it sends edition {run.edition}, and the content is of edition {campaign.edition} by now"
        return None

    def _moved(self, run_id: int) -> int:
        total = 0
        while True:
            with transaction(self._session) as session:
                run = run_of(session, run_id)
                if run is None or run.state not in OPEN or run.edition is None:
                    return total
                moved = ledger.move_content(session, run_id, run.content_id, now=clock.now(), limit=self._chunk)
            total += moved
            if moved < self._chunk:
                return total
