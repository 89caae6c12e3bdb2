"""Build `Services` from the settings: the only place where the parts meet."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypedDict
from urllib.parse import urlsplit

from flask import Flask

from notifier import resources
from notifier.accounts.not_me import NotMe
from notifier.accounts.operator_emails import OperatorEmails
from notifier.accounts.requests import AccountRequests
from notifier.campaigns.content_moves import Moving
from notifier.campaigns.control import RunEffects
from notifier.campaigns.expand import Expansion
from notifier.campaigns.tick import Tick
from notifier.config.settings import Settings
from notifier.database.schema import Schema
from notifier.delivery.mailer import NO_KEY
from notifier.delivery.sweep import Sweep
from notifier.delivery.throttle.rate_limits import Limits
from notifier.emails import EmailKind
from notifier.embedding.host import Host
from notifier.entries import sending as entries
from notifier.explain.audit import Audit
from notifier.explain.plan import Planner
from notifier.explain.repair import Repair
from notifier.explain.restore import Reconciliation
from notifier.extensions import db
from notifier.feedback.customers import Customers
from notifier.feedback.intake import Intake
from notifier.feedback.second_look import SecondLook
from notifier.inbound import registry
from notifier.inbound.sightings import Sightings
from notifier.observability.exposition import Exposition
from notifier.outbox import Outbox
from notifier.rendering.drafts import Drafts
from notifier.rendering.previews import Previews
from notifier.security.sealing import Sealer
from notifier.sender_auth import Resolver, UrlClient
from notifier.services import Challenge, Services
from notifier.tasks import alive
from notifier.tasks.after_commit import Inserted
from notifier.tasks.broker_view import peek
from notifier.webhooks.calling import Calling
from notifier.webhooks.disabling import Disabling
from notifier.webhooks.endpoints import Endpoints
from notifier.webhooks.publishing import Publishing as EventPublishing
from notifier.webhooks.wire import Wire
from notifier.wiring.broker import Publishing, build_broker
from notifier.wiring.foundation import Foundation, lay_foundation
from notifier.wiring.looking import build_looking
from notifier.wiring.sending import Sending, build_sending, pump_maker


def build_services(
    app: Flask,
    settings: Settings,
    publishing: Publishing,
    *,
    host: Host | None,
    kinds: Mapping[str, EmailKind] | None,
    resolver: Callable[[], Resolver],
    challenge: Challenge | None,
) -> Services:
    """Build the parts of `app`, whose database is bound; `create_app` documents the parameters. Raise ConfigError."""
    base = lay_foundation(app, settings, kinds, host)
    sending = build_sending(base, resolver)
    hosts_celery = host.celery if host else None
    broker = build_broker(app, settings, publishing, hosts_celery=hosts_celery, embedded=host is not None)
    outbox, limits, sender = broker.emails, sending.limits, sending.sender
    previews = Previews(base.composer, base.links)
    audit = Audit(db.session, base.composer.message_id_of)
    return Services(
        settings=settings,
        is_embedded=host is not None,
        kinds=base.kinds,
        links=base.links,
        sealer=Sealer(settings.secret_keys),
        accounts=base.accounts,
        account_requests=AccountRequests(db.session, base.accounts, broker.requests.publish, grace=base.grace),
        not_me=NotMe(base.signer, settings.secret_keys, days=settings.not_me_days),
        operator_emails=OperatorEmails(Sealer(settings.secret_keys), grace=base.grace),
        challenge=challenge,
        ask_operator=host.operator if host else None,
        host_path=_host_path(settings, host),
        wording=base.wording,
        sender=sender,
        transports=sending.transports,
        sweep=Sweep(db.session, outbox.publish, sender.journal.folder, base.clock.now, settings.mail_deaths),
        limits=limits,
        make_pump=pump_maker(base, sending),
        hold=base.hold,
        sending=entries.Sending(Inserted(), grace=base.grace, seal=Sealer(settings.secret_keys).seal),
        intake=Intake(base.composer.ids, sending.brakes, witnesses=settings.mail_provider_witnesses),
        customers=_customers(sending, settings),
        second_look=SecondLook(db.session, sending.brakes),
        previews=previews,
        drafts=Drafts(base.composer, base.links, partial(sending.mail.deliver, key=NO_KEY)),
        tick=Tick(db.session, broker.runs.publish, base.kinds, observe=base.recorder.observe),
        expansion=_expansion(base, outbox, limits),
        run_effects=RunEffects(db.session, broker.runs.publish),
        moving=Moving(db.session, base.kinds),
        planner=_planner(base, previews, limits),
        audit=audit,
        repair=Repair(db.session, outbox.publish, base.kinds, audit, base.composer.ids),
        reconciliation=Reconciliation(db.session, base.composer.ids),
        inbound=registry.configured(settings),
        sightings=Sightings(),
        **_webhooks(base),
        celery=broker.celery,
        outbox=outbox,
        request_outbox=broker.requests,
        run_outbox=broker.runs,
        run_now=broker.publisher.run_now,
        call_webhooks=broker.publisher.call_webhooks,
        queues=partial(peek, broker.celery),
        schedule=broker.schedule,
        recorder=base.recorder,
        exposition=_exposition(base, sending),
        schema=Schema(resources.migrations()),
        **build_looking(base, broker, sending, host),
        is_alive=partial(alive.is_alive, broker.celery, settings),
        resolver=resolver,
        web=UrlClient,
    )


class _Webhooks(TypedDict):
    publishing: EventPublishing
    endpoints: Endpoints
    calling: Calling
    wire: Wire


def _webhooks(base: Foundation) -> _Webhooks:
    """Build what tells other applications."""
    loopback = base.settings.webhook_loopback
    endpoints, wire = Endpoints(Sealer(base.settings.secret_keys), loopback=loopback), Wire(loopback=loopback)
    calling = Calling(db.session, endpoints, wire, Disabling(grace=base.grace), loopback=loopback)
    return {"publishing": EventPublishing(db.session), "endpoints": endpoints, "calling": calling, "wire": wire}


def _exposition(base: Foundation, sending: Sending) -> Exposition:
    return Exposition(
        db.session,
        base.clock.now,
        transports=sending.transports.names,
        kinds=base.kinds,
    )


def _customers(sending: Sending, settings: Settings) -> Customers | None:
    if sending.members is None:
        return None
    return Customers(db.session, sending.members.known, witnesses=settings.mail_provider_witnesses)


def _host_path(settings: Settings, host: Host | None) -> str:
    if host is None:
        return "/"
    return urlsplit(settings.public_url).path.rstrip("/").removesuffix(host.mount) + "/"


def _expansion(base: Foundation, outbox: Outbox, limits: Limits | None) -> Expansion:
    return Expansion(
        db.session,
        outbox.publish,
        base.kinds,
        base.composer.ids,
        is_limited=lambda campaign: limits is not None and bool(campaign.rate or limits.rate),
    )


def _planner(base: Foundation, previews: Previews, limits: Limits | None) -> Planner:
    return Planner(
        db.session,
        base.kinds,
        version_of=base.renderer.version,
        render=previews.planned,
        signer=base.signer,
        limit=base.settings.mail_rate,
        rates=limits is not None,
    )
