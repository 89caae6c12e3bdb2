"""From a claimed row to the wire: transports, gate, sender, pump."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from notifier import clock, ledger
from notifier.campaigns.control import pause_provider, stop, stop_run, stop_run_in
from notifier.campaigns.tick import close_after
from notifier.config.settings import Settings
from notifier.database.transaction import transaction
from notifier.delivery.composition_brake import Failing
from notifier.delivery.deliver import Sender
from notifier.delivery.mailer import Mail
from notifier.delivery.pump import Pump
from notifier.delivery.recheck import Recheck
from notifier.delivery.recovery.journal import Journal
from notifier.delivery.recovery.leases import Leases, LeaseTimes
from notifier.delivery.rejection_brake import Refusals
from notifier.delivery.staging import Staging
from notifier.delivery.throttle.breaker import Breaker
from notifier.delivery.throttle.first_emails import FirstEmails
from notifier.delivery.throttle.gate import Gate
from notifier.delivery.throttle.handout import HandOut
from notifier.delivery.throttle.handout_lock import Turnstile
from notifier.delivery.throttle.probing import Probing
from notifier.delivery.throttle.provider_holds import ProviderHolds
from notifier.delivery.throttle.provider_members import Members
from notifier.delivery.throttle.rate_limits import Limits
from notifier.delivery.throttle.slowdowns import Pace
from notifier.extensions import db
from notifier.feedback.brakes import BrakeLimits, Brakes
from notifier.metrics import Recorder
from notifier.metrics.catalogue import SMTP_SECONDS
from notifier.reasons import ReasonCode
from notifier.sender_auth import Resolver
from notifier.smtp.session import Endpoint
from notifier.smtp.transport import Transport
from notifier.smtp.transports import Transports, transport_configs
from notifier.wiring.foundation import Foundation


@dataclass(frozen=True)
class Sending:
    """The parts that send, and the limits that they obey."""

    transports: Transports
    mail: Mail
    limits: Limits | None
    sender: Sender
    brakes: Brakes
    #: None: DNS is not asked for the providers of domains.
    members: Members | None


def build_sending(base: Foundation, resolver: Callable[[], Resolver]) -> Sending:
    """Build the parts. The application gets Flask-Mail's state, too."""
    app, settings, composer = base.app, base.settings, base.composer
    staging = Staging.from_settings(settings)
    transports = _transports(settings, base.recorder)
    mail = Mail(transport=transports.primary, staging=staging)
    mail.init_app(app)
    limits = Limits.from_settings(settings, campaigns=True)
    brakes = _brakes(settings)
    members = _members(base, resolver)
    first_emails = None if base.signups is None else FirstEmails(db.session, base.signups)
    sender = Sender(
        db.session,
        composer,
        lambda messages, name, observer: mail.deliver_all(messages, via=transports.transport(name), observer=observer),
        base.links,
        gate=_gate(base, transports, members, limits, first_emails),
        journal=Journal(settings.notifier_data_dir / "journal", settings.host, durable=settings.journal_durable),
        recheck=Recheck(
            db.session, base.kinds, cap_per_week=settings.mail_cap_per_week, fetch=composer.content_cache.fetch
        ),
        refusals=Refusals(partial(stop, db.session), share=settings.mail_content_refusals),
        failing=Failing(
            _stop_failing, share=settings.mail_content_failures, least=settings.mail_content_failures_least
        ),
        leases=_leases(base),
        alone_from=settings.mail_deaths,
        staging=staging,
        context=app.app_context,
        on_first_bounce=first_emails.bounced if first_emails else lambda: None,
        on_dead=partial(_check_dead, brakes),
        recorder=base.recorder,
    )
    return Sending(transports, mail, limits, sender, brakes, members)


def pump_maker(base: Foundation, sending: Sending) -> Callable[[Collection[bool]], Pump | None]:
    """Return `Services.make_pump`."""
    limits, sender = sending.limits, sending.sender

    def make_pump(bulk: Collection[bool]) -> Pump | None:
        if limits is None:
            return None
        return Pump(
            db.session,
            HandOut(db.session, limits, Turnstile(limits.client), bulk=bulk),
            limits,
            lambda pacing, is_bulk: sender.deliver(pacing.pks, bulk=is_bulk, pacing=pacing),
            context=base.app.app_context,
            ended=partial(close_after, db.session),
            is_held=base.hold.is_held,
        )

    return make_pump


def _transports(settings: Settings, recorder: Recorder) -> Transports:
    def timer(name: str) -> Callable[[str, float], None]:
        return lambda phase, seconds: recorder.observe(SMTP_SECONDS, seconds, name, phase)

    return Transports(
        transport_configs(settings),
        lambda config: Transport(
            replace(Endpoint.from_config(config, settings), timed=timer(config.name)),
            connections=settings.mail_connections,
            sign=config.signer.sign if config.signer else None,
        ),
    )


def _gate(
    base: Foundation,
    transports: Transports,
    members: Members | None,
    limits: Limits | None,
    first_emails: FirstEmails | None,
) -> Gate:
    settings = base.settings
    probing = Probing(settings.mail_probe_first, settings.mail_probe_longest)
    return Gate(
        db.session,
        Breaker(db.session, probing=probing),
        Pace(db.session),
        transports=transports.names,
        choose=transports.choose,
        limits=limits,
        first_emails=first_emails,
        holds=ProviderHolds(db.session, probing=probing, witnesses=settings.mail_provider_witnesses),
        members=members,
    )


def _members(base: Foundation, resolver: Callable[[], Resolver]) -> Members | None:
    keep = timedelta(seconds=base.settings.mail_mx_ttl)
    return Members(db.session, resolver, base.app.app_context, keep=keep) if keep else None


def _leases(base: Foundation) -> Leases:
    settings = base.settings

    def renew(owners: Collection[str], now: datetime, until: datetime) -> None:
        with base.app.app_context():
            ledger.renew(db.session(), owners, now=now, until=until)
            db.session.commit()

    return Leases(renew, base.clock.now, LeaseTimes(settings.mail_lease, settings.fence, settings.heartbeat))


def _brakes(settings: Settings) -> Brakes:
    limits = BrakeLimits(
        settings.mail_run_dead, settings.mail_run_dead_least, settings.mail_run_complaints,
        settings.mail_run_complaints_least,
    )  # fmt: skip
    return Brakes(stop_run_in, pause_provider, limits)


def _check_dead(brakes: Brakes, run_id: int) -> bool:
    with transaction(db.session) as session:
        return brakes.check_dead(session, run_id, clock.now())


def _stop_failing(run_id: int, failed: int, tried: int, error: str) -> None:
    stop_run(db.session, run_id, ReasonCode.content_failing, failed=failed, tried=tried, error=error)
