"""Real campaigns as contenders: each is run by `notifier campaign run`, and a worker expands and sends it.

The clock includes the start of the command, the rule that decides who gets the email, its recheck before each one, and
the figures of reports and digests.
"""

import sys
from contextlib import ExitStack
from typing import ClassVar

from bench.children import Child
from bench.contenders import CONTENDERS, WORKER_OPTIONS, Contender, Notifier, Setting
from bench.servers import Stage

#: Of each user, evenly over ACTIVITY_DAYS: so everyone has something to report, in a month and in a week.
ACTIVITIES, ACTIVITY_DAYS = 24, 62

_SEED = f"""
INSERT INTO notifier_activities (user_id, kind, actor, object_key, object_title, occurred_at)
SELECT id, (ARRAY['like', 'like', 'comment', 'follow'])[1 + n % 4],
    (ARRAY['Ada Kowalski', 'Björn Said', 'Mei O''Brien', 'Noor Castro', 'Sione'])[1 + (id + n * 7) % 5],
    'photo:' || id || ':' || (id + n) % 5,
    (ARRAY['Sunrise over the harbour', 'My first sourdough', 'Trip to the lakes', 'Garden in June', 'Night train'])
        [1 + (id + n) % 5],
    now() - n * interval '{ACTIVITY_DAYS} days' / {ACTIVITIES} - id % 1440 * interval '1 minute'
FROM notifier_users, generate_series(1, {ACTIVITIES}) AS n
"""


class CampaignRun(Notifier):
    """One kind of email, as an operator sends it."""

    kind: ClassVar[str]
    how = "`notifier campaign run`, with two worker processes for bulk email and expansion"

    def prepare(self, stage: Stage) -> None:
        """Give everyone a history."""
        stage.execute(
            "UPDATE notifier_users SET created_at = now() - interval '99 days'",
            "UPDATE notifier_users SET verified_at = created_at",
            "TRUNCATE notifier_activities",
            _SEED,
            "VACUUM ANALYZE notifier_activities, notifier_users",
        )

    def reset(self, stage: Stage) -> None:
        """Remove campaign, run and emails."""
        stage.execute("TRUNCATE notifier_campaigns, notifier_campaign_runs, notifier_digest_marks CASCADE")
        super().reset(stage)

    def _start(self, stack: ExitStack, setting: Setting) -> list[Child]:
        worker, ready = self.start_worker(stack, setting, "bulk", "notifier.bulk,notifier.expansion", WORKER_OPTIONS)
        argv = [sys.executable, "-m", "bench.programs.campaign_run", self.kind]
        sender = setting.start(stack, "send", argv, self.env(setting))
        worker.wait_for(ready)
        return [sender, worker]


class Announcement(CampaignRun):
    """News to everyone."""

    name = kind = "announcement"


class AnnouncementInDevelopment(Announcement):
    """The same, as a developer runs it: its templates may change at any time."""

    name = "announcement_dev"
    environment = "development"
    how = "the announcement with NOTIFIER_ENV=development"


class MonthlyReport(CampaignRun):
    """Last month in numbers."""

    name = kind = "monthly_report"


class ActivityDigest(CampaignRun):
    """What happened since the last digest."""

    name = kind = "activity_digest"


CAMPAIGNS: dict[str, Contender] = {
    each.name: each for each in (Announcement(), AnnouncementInDevelopment(), MonthlyReport(), ActivityDigest())
}
#: Everything that runs can have.
ALL: dict[str, Contender] = CAMPAIGNS | CONTENDERS
