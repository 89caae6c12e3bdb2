"""What came back of a run: numbers, by mailbox provider, and when a brake pauses it."""

from typing import Any

from notifier.extensions import db
from notifier.models import CampaignRun
from notifier.observability import by_provider
from notifier.services import services

#: Largest run that its own page counts by provider; of a larger one, a page of its own does.
COUNTED_UP_TO = 10_000


def of_run(run: CampaignRun, *, whole: bool = False) -> dict[str, Any]:
    """Return what the section shows. `whole`: count by provider, however many emails there are."""
    session, settings = db.session(), services().settings
    counted = whole or run.planned <= COUNTED_UP_TO
    figures = by_provider.of_run(session, run.id) if counted else {}
    return {
        "counted": counted,
        "came_back": by_provider.came_back(session, run.id),
        "figures": figures,
        "providers": [name for name in by_provider.NAMES if name in figures],
        "no_figures": by_provider.Figures(),
        "brakes": {
            "dead": f"{100 * settings.mail_run_dead:g} %",
            "dead_of": settings.mail_run_dead_least,
            "complaints": f"{100 * settings.mail_run_complaints:g} %",
            "complaints_of": settings.mail_run_complaints_least,
        },
    }
