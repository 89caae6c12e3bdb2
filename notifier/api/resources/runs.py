"""Runs of campaigns: how far they are, whether they add up, and how to stop them."""

from collections.abc import Callable
from typing import Annotated, Literal

from flask import Response
from pydantic import Field
from sqlalchemy.orm import Session

from notifier.api.answers import answer
from notifier.api.operation import Resource
from notifier.api.problems import NOT_FOUND, NOT_NOW, Problem
from notifier.api.requests import actor
from notifier.api.resources.campaign_shapes import AuditAnswer, RunAnswer
from notifier.api.shapes import Path, Query, RowId
from notifier.campaigns import control
from notifier.campaigns.content_held import held
from notifier.campaigns.errors import CampaignError
from notifier.database.transaction import transaction
from notifier.extensions import db
from notifier.models import OPEN, Campaign, CampaignRun, RunState
from notifier.operators import audit_log
from notifier.operators.scopes import Scope
from notifier.reasons import ReasonCode
from notifier.services import services

resource = Resource("runs", "Runs of campaigns: how far they are, and how to stop them.")


class RunPath(Path):
    """The run."""

    id: RowId


class ResumeQuery(Query):
    """How to go on."""

    content: Annotated[
        Literal["newest", "keep"] | None,
        Field(description="which content waiting emails get, if it was changed while the run was paused"),
    ] = None


@resource.operation("GET", "/runs/<row:id>", scope=Scope.campaigns_read, answers={200: RunAnswer})
def get_run(path: RunPath) -> Response:
    """Return a run, and how far it is."""
    session = db.session()
    return answer(RunAnswer.of(session, _run(session, path)))


@resource.operation("GET", "/runs/<row:id>/audit", scope=Scope.campaigns_read, answers={200: AuditAnswer})
def audit_run(path: RunPath) -> Response:
    """Check that the emails of a run add up, and that no person has one twice."""
    pk = _run(db.session(), path).id
    # The audit opens a transaction of its own, which cannot write.
    db.session.rollback()
    return answer(AuditAnswer.of(services().audit.of(pk)))


@resource.operation(
    "POST", "/runs/<row:id>/pause", scope=Scope.campaigns_run, answers={200: RunAnswer}, problems=[NOT_NOW]
)
def pause_run(path: RunPath) -> Response:
    """Pause a run within one batch. Nothing is lost, and a second time changes nothing."""

    def stop(session: Session, run: CampaignRun) -> bool:
        why = f"{actor().name} paused it"
        return control.pause_run(session, run, ReasonCode.paused_by_hand, why=why)

    return _switched(path, "run.paused", stop, unless=lambda run: run.state == RunState.paused)


@resource.operation(
    "POST", "/runs/<row:id>/resume", scope=Scope.campaigns_run, answers={200: RunAnswer}, problems=[NOT_NOW]
)
def resume_run(path: RunPath, query: ResumeQuery) -> Response:
    """Let a paused run go on. A second time changes nothing.

    If its content was changed meanwhile, say which one waiting emails get.
    """
    run = _run(db.session(), path)
    pk, is_paused = run.id, run.state == RunState.paused
    if is_paused and query.content is None and _is_behind(db.session(), run):
        raise Problem(NOT_NOW, "emails wait with older content: resume with ?content=newest or ?content=keep")
    db.session.rollback()
    if is_paused and query.content == "newest":
        try:
            services().moving.move([pk], by=actor())
        except CampaignError as error:
            raise Problem(NOT_NOW, str(error)) from None
    return _switched(
        path,
        "run.resumed",
        control.resume_run,
        unless=lambda run: run.state in OPEN,
        after=lambda: services().run_effects.resumed([pk]),
    )


@resource.operation(
    "POST", "/runs/<row:id>/cancel", scope=Scope.campaigns_run, answers={200: RunAnswer}, problems=[NOT_NOW]
)
def cancel_run(path: RunPath) -> Response:
    """End a run: its emails that were not sent yet never are. A second time changes nothing."""

    def end(session: Session, run: CampaignRun) -> bool:
        return control.cancel_run(session, run, reason=f"{actor().name} cancelled it")

    return _switched(
        path,
        "run.cancelled",
        end,
        unless=lambda run: run.state == RunState.cancelled,
        after=lambda: services().run_effects.cancelled([int(path.id)]),
    )


def _switched(
    path: RunPath,
    action: str,
    change: Callable[[Session, CampaignRun], bool],
    *,
    unless: Callable[[CampaignRun], bool],
    after: Callable[[], object] | None = None,
) -> Response:
    """Change the state of a run, with an audit entry, and answer with the run.

    `unless(run)`: whether it is as wanted already; otherwise a run that does not change is a problem. `after()` follows
    the commit.
    """
    with transaction(db.session) as session:
        try:
            run = control.find_run(session, int(path.id))
        except CampaignError:
            raise Problem(NOT_FOUND) from None
        before = {"state": run.state, "reason": run.reason}
        moved = change(session, run)
        if moved:
            now = {"state": run.state, "reason": run.reason}
            audit_log.record(session, actor(), action, object_type="run", object_id=run.id, before=before, after=now)
        elif not unless(run):
            raise Problem(NOT_NOW, f"the run is {run.state}")
    if moved and after is not None:
        after()
    found = db.session()
    return answer(RunAnswer.of(found, _run(found, path)))


def _run(session: Session, path: RunPath) -> CampaignRun:
    row = session.get(CampaignRun, int(path.id), populate_existing=True)
    if row is None:
        raise Problem(NOT_FOUND)
    return row


def _is_behind(session: Session, run: CampaignRun) -> bool:
    campaign = session.get_one(Campaign, run.campaign_id)
    try:
        return held(session, campaign, services().kinds, run_id=run.id).is_behind
    except CampaignError:
        return False
