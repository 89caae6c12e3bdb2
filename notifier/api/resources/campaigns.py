"""Campaigns: what they are, what a run of one would do, and the run of exactly that."""

from typing import Annotated, Literal

from flask import Response
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier.api.answers import answer
from notifier.api.operation import Resource
from notifier.api.problems import DRIFTED, NOT_FOUND, NOT_NOW, Problem, in_body, invalid
from notifier.api.requests import actor
from notifier.api.resources.campaign_shapes import (
    CampaignAnswer,
    CampaignDetail,
    MomentName,
    PlanAnswer,
    RunAnswer,
)
from notifier.api.shapes import Answer, Body, Path, Printable, Query
from notifier.campaigns import control
from notifier.campaigns.errors import CampaignError
from notifier.campaigns.overview import details, overview
from notifier.database.transaction import transaction
from notifier.explain.plan_token import NoPlan, PlanChanged, Planned
from notifier.explain.plan_values import Plan
from notifier.extensions import db
from notifier.models import Campaign, CampaignRun
from notifier.operators import audit_log
from notifier.operators.scopes import Scope
from notifier.services import services

resource = Resource("campaigns", "Emails to many people: planned, then run as planned.")

_ABOUT = "now: to everyone at once; newest: for the newest scheduled time; at-local-hour: by the recipients' clocks"


class CampaignPath(Path):
    """The campaign."""

    name: Annotated[Printable, Field(max_length=64)]


class PlanQuery(Query):
    """For which time."""

    moment: Annotated[MomentName, Field(description=f"{_ABOUT}; next: as the schedule has it, to look at")] = "now"


class RunBody(Body):
    """The plan that is to be run."""

    plan: Annotated[str, Field(max_length=500, description="the token of the plan")]
    moment: Annotated[
        Literal["now", "newest", "at-local-hour"], Field(description=f"as the plan was asked for. {_ABOUT}")
    ] = "now"


class CampaignList(Answer):
    """All campaigns, by name."""

    data: list[CampaignAnswer]
    next: Annotated[None, Field(description="there is one page")] = None


@resource.operation("GET", "/campaigns", scope=Scope.campaigns_read, answers={200: CampaignList})
def list_campaigns() -> Response:
    """Return all campaigns, each with its newest run."""
    found = overview(db.session(), services().kinds)
    return answer(CampaignList(data=[CampaignAnswer.of(each) for each in found]))


@resource.operation("GET", "/campaigns/<name>", scope=Scope.campaigns_read, answers={200: CampaignDetail})
def get_campaign(path: CampaignPath) -> Response:
    """Return a campaign, with its settings and its newest runs."""
    session = db.session()
    return answer(CampaignDetail.of(details(session, _campaign(session, path), services().kinds)))


@resource.operation(
    "GET",
    "/campaigns/<name>/plan",
    scope=Scope.campaigns_read,
    answers={200: PlanAnswer},
    problems=[NOT_NOW],
)
def plan_campaign(path: CampaignPath, query: PlanQuery) -> Response:
    """Return what a run would do: for how many people, when, and who does not get it for which reason.

    It changes nothing, and reads all people once: seconds for a million.
    """
    _campaign(db.session(), path)
    return answer(PlanAnswer.of(_planned(path.name, query.moment), query.moment))


@resource.operation(
    "POST",
    "/campaigns/<name>/runs",
    scope=Scope.campaigns_run,
    answers={201: RunAnswer},
    problems=[DRIFTED, NOT_NOW],
)
def run_campaign(path: CampaignPath, body: RunBody) -> Response:
    """Start the run that was planned. No person gets the same email twice, however often it is started.

    It is refused, with the new plan, if the campaign or its content changed since, or if more than 1 % of the people
    (10 at least) joined or left.
    """
    _campaign(db.session(), path)
    db.session.rollback()
    try:
        before, fresh = services().planner.confirm(body.plan, path.name, body.moment)
    except NoPlan:
        raise invalid(in_body("/plan", "no-plan", "This is no token of a plan.")) from None
    except PlanChanged as changed:
        raise _drifted(path.name, body.moment, str(changed)) from None
    except CampaignError as error:
        raise Problem(NOT_NOW, str(error)) from None
    run_id = _start(before, fresh, body.moment)
    services().run_effects.started([run_id])
    session = db.session()
    return answer(RunAnswer.of(session, session.get_one(CampaignRun, run_id)), 201)


def _start(before: Planned, fresh: Plan, moment: MomentName) -> int:
    try:
        with transaction(db.session) as session:
            found = control.find(session, fresh.campaign)
            changed = found.version != fresh.version
            if not changed:
                run_id = control.run_now(session, found, services().kinds, slot=fresh.slot, at_once=fresh.at_once)
                facts = {"campaign": found.name, "slot": fresh.slot.isoformat(), "planned": before.count}
                audit_log.record(session, actor(), "run.started", object_type="run", object_id=run_id, after=facts)
    except CampaignError as error:
        raise Problem(NOT_NOW, str(error)) from None
    if changed:
        raise _drifted(fresh.campaign, moment, "The campaign was changed just now.")
    return run_id


def _drifted(name: str, moment: MomentName, why: str) -> Problem:
    fresh = PlanAnswer.of(_planned(name, moment), moment)
    return Problem(DRIFTED, why, plan=fresh.model_dump(mode="json"))


def _planned(name: str, moment: MomentName) -> Plan:
    """Return the plan, without any person. Raise Problem for a campaign that cannot be planned."""
    # The planner opens a transaction of its own, which cannot write.
    db.session.rollback()
    try:
        return services().planner.plan(name, moment, details=False)
    except CampaignError as error:
        raise Problem(NOT_NOW, str(error)) from None


def _campaign(session: Session, path: CampaignPath) -> Campaign:
    row = session.scalars(select(Campaign).where(Campaign.name == path.name)).one_or_none()
    if row is None:
        raise Problem(NOT_FOUND)
    return row
