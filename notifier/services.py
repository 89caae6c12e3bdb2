"""The parts of one application for all doors, built by `notifier.wiring`.

    services().planner.plan("report")

Each Flask application has its own, in `app.extensions["notifier"]`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from celery import Celery
from flask import Flask, current_app
from werkzeug import Response

from notifier.accounts.not_me import NotMe
from notifier.accounts.operator_emails import OperatorEmails
from notifier.accounts.requests import AccountRequests
from notifier.accounts.signup import Accounts
from notifier.alerts.alerts import Alerts
from notifier.campaigns.content_moves import Moving
from notifier.campaigns.control import RunEffects
from notifier.campaigns.expand import Expansion
from notifier.campaigns.tick import Tick
from notifier.config.settings import Settings
from notifier.consent.wording import Words
from notifier.database.identity import RestoreHold
from notifier.database.schema import Schema
from notifier.delivery.deliver import Sender
from notifier.delivery.pump import Pump
from notifier.delivery.sweep import Sweep
from notifier.delivery.throttle.rate_limits import Limits
from notifier.emails import EmailKind
from notifier.entries.sending import Sending
from notifier.explain.audit import Audit
from notifier.explain.plan import Planner
from notifier.explain.repair import Repair
from notifier.explain.restore import Reconciliation
from notifier.feedback.customers import Customers
from notifier.feedback.intake import Intake
from notifier.feedback.second_look import SecondLook
from notifier.inbound.provider import Provider
from notifier.inbound.sightings import Sightings
from notifier.metrics import Recorder
from notifier.observability.check import HealthCheck
from notifier.observability.exposition import Exposition
from notifier.observability.queues import BrokerState
from notifier.observability.watch import Watch
from notifier.outbox import Outbox
from notifier.rendering.drafts import Drafts
from notifier.rendering.previews import Previews
from notifier.security.identity import OperatorIdentity
from notifier.security.links import Links
from notifier.security.sealing import Sealer
from notifier.sender_auth import Resolver, WebClient
from notifier.smtp.transports import Transports
from notifier.webhooks.calling import Calling
from notifier.webhooks.endpoints import Endpoints
from notifier.webhooks.publishing import Publishing
from notifier.webhooks.wire import Wire

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

#: Our only key in `app.extensions`.
KEY: Final = "notifier"

#: Called in the request. Returns None for a person who passed; otherwise the answer, such as a page with a puzzle and
#: the fields of the form, and nothing is stored.
Challenge = Callable[[], str | Response | tuple[str, int] | None]


@dataclass(frozen=True, kw_only=True)
class Services:
    """The parts of one application. `dataclasses.replace` makes a copy with other parts."""

    settings: Settings
    #: Whether another application embeds ours: people are its users.
    is_embedded: bool
    kinds: Mapping[str, EmailKind]
    links: Links
    sealer: Sealer

    # --- people
    accounts: Accounts
    account_requests: AccountRequests
    not_me: NotMe
    #: Sends invitations and resets to operators of ours.
    operator_emails: OperatorEmails
    #: Called while first emails are slowed; None: no challenge.
    challenge: Challenge | None
    #: Asks the embedding application who makes the request of this environ; None: it decides about no operators.
    ask_operator: Callable[["WSGIEnvironment"], OperatorIdentity | None] | None
    #: The path of the embedding application, with a final slash, for links out of the admin; "/" without one.
    host_path: str
    #: How pages name the categories that people may refuse.
    wording: Mapping[str, Words]

    # --- sending
    sender: Sender
    transports: Transports
    sweep: Sweep
    #: None without Redis: no limit counts over all processes.
    limits: Limits | None
    #: Builds the pump of a process, for campaigns (True), people's own email (False) or both; None without limits.
    make_pump: Callable[[Collection[bool]], Pump | None]
    hold: RestoreHold
    #: Writes the row of one email that a program asks for.
    sending: Sending

    # --- what comes back
    intake: Intake
    #: None: DNS is not asked for the providers of domains.
    customers: Customers | None
    #: Asks the brakes of runs under way again.
    second_look: SecondLook

    # --- content
    previews: Previews
    drafts: Drafts

    # --- campaigns
    tick: Tick
    expansion: Expansion
    run_effects: RunEffects
    moving: Moving
    planner: Planner
    audit: Audit
    repair: Repair
    reconciliation: Reconciliation

    # --- what comes back
    #: The providers whose webhooks are open, by name.
    inbound: Mapping[str, Provider]
    #: When each of them was last taken and refused.
    sightings: Sightings

    # --- other applications
    publishing: Publishing
    endpoints: Endpoints
    calling: Calling
    #: Calls an endpoint by hand, for a test.
    wire: Wire
    #: Requests calls of these endpoints. Raises the errors of the broker's client.
    call_webhooks: Callable[[Sequence[int]], None]

    # --- the broker
    celery: Celery
    outbox: Outbox
    request_outbox: Outbox
    run_outbox: Outbox
    #: Triggers a job ("sweep") besides its schedule. Raises the errors of the broker's client.
    run_now: Callable[[str], None]
    #: Raises BrokerAway.
    queues: Callable[[], BrokerState]
    #: Name of a job -> seconds between two runs.
    schedule: Mapping[str, float]

    # --- looking
    #: Counts and measures in the memory of this process.
    recorder: Recorder
    exposition: Exposition
    schema: Schema
    #: Checks all servers that sending depends on.
    probes: Callable[[], list[HealthCheck]]
    #: Makes the whole health report, `probes` and the database's. Takes seven seconds at most, even if a server hangs.
    look: Callable[[], list[HealthCheck]]
    #: The newest look, for pages.
    watch: Watch
    #: Tells operators about what a look found.
    alerts: Alerts
    #: Checks one process: "beat", or the name of a worker (mail@host).
    is_alive: Callable[[str], HealthCheck]
    #: Builds the DNS resolver.
    resolver: Callable[[], Resolver]
    #: Builds the client that asks web servers for the doctor.
    web: Callable[[], WebClient]


def services() -> Services:
    """Return the parts of the application whose context is pushed. Raise RuntimeError if there is none."""
    parts: Services = current_app.extensions[KEY]
    return parts


def services_of(app: Flask) -> Services:
    """Return the parts of `app`."""
    parts: Services = app.extensions[KEY]
    return parts
