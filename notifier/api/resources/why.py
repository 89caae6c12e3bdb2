"""Why a person gets an email, or not: by the ledger, and by the rule that plans and sends."""

from typing import Annotated, Any, Literal

from flask import Response
from pydantic import Field

from notifier.api.answers import answer
from notifier.api.operation import Resource
from notifier.api.problems import At, invalid
from notifier.api.resources.people import UserPath, person_of
from notifier.api.shapes import Answer, Query, ShownMoment
from notifier.campaigns import explanations
from notifier.campaigns.errors import CampaignError
from notifier.campaigns.explanations import Receipt
from notifier.explain.single_emails import single_emails
from notifier.explain.why import why
from notifier.extensions import db
from notifier.operators.scopes import Scope
from notifier.services import services

resource = Resource("why", "Why a person gets an email, or not.")

_OUTCOMES = {Receipt.got: "sent", Receipt.will: "will_be_sent", Receipt.wont: "excluded"}


class WhyQuery(Query):
    """About what."""

    campaign: Annotated[str | None, Field(max_length=64, description="this campaign alone, by its name")] = None


class WhyAnswer(Answer):
    """The answer about one campaign, or about one single email."""

    campaign: Annotated[str | None, Field(description="null: a single email")]
    kind: str
    outcome: Annotated[
        Literal["sent", "will_be_sent", "excluded"],
        Field(description="sent: a mail server took it; excluded: they do not get it, for the reason in `code`"),
    ]
    code: Annotated[str, Field(description="a status of the email, a code of the rule, or the campaign's state")]
    reason: Annotated[str, Field(description="the same, for people")]
    at: Annotated[ShownMoment | None, Field(description="when they got it or will; null: it is not known")]
    inputs: Annotated[dict[str, Any], Field(description="the values that decided")]
    reply: Annotated[str | None, Field(description="the last reply of the mail server")]
    run: str | None
    notification: str | None

    @classmethod
    def of(cls, found: explanations.Answer) -> "WhyAnswer":
        """Return this answer."""
        return cls.model_validate(
            {
                "campaign": found.campaign or None,
                "kind": found.kind,
                "outcome": _OUTCOMES[found.outcome],
                "code": found.code,
                "reason": found.words,
                "at": found.at,
                "inputs": found.values,
                "reply": found.reply,
                "run": None if found.run_id is None else str(found.run_id),
                "notification": None if found.notification_id is None else str(found.notification_id),
            }
        )


class WhyAnswers(Answer):
    """The answers: campaigns by name, then single emails, the newest first."""

    data: list[WhyAnswer]


@resource.operation("GET", "/users/<external_id>/why", scope=Scope.users_read, answers={200: WhyAnswers})
def why_user(path: UserPath, query: WhyQuery) -> Response:
    """Return for each campaign why a person gets its email, or not; then the same about their newest single emails."""
    session = db.session()
    person = person_of(session, path)
    try:
        found = why(session, person.id, services().kinds, query.campaign)
    except CampaignError:
        raise invalid(At(None, "unknown", "There is no such campaign.", parameter="campaign")) from None
    if query.campaign is None:
        found += single_emails(session, person.id)
    return answer(WhyAnswers(data=[WhyAnswer.of(each) for each in found]))
