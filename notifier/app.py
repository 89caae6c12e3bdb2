"""create_app(): the only place where the parts meet."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from flask import Flask
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import make_url
from werkzeug.middleware.proxy_fix import ProxyFix

from notifier import ledger
from notifier.accounts.limits import SignupLimits
from notifier.accounts.not_me import NotMe
from notifier.accounts.requests import AccountRequests
from notifier.accounts.signup import Accounts
from notifier.admin import site as admin
from notifier.campaigns.control import Follow, stop, stop_run
from notifier.campaigns.expand import Expansion
from notifier.campaigns.moving import Moving
from notifier.campaigns.tick import Tick, close_after
from notifier.config.loading import load_settings
from notifier.config.settings import ConfigError, Settings
from notifier.database import pools, postgres, sqlite
from notifier.database.database_clock import DatabaseClock
from notifier.database.identity import Hold
from notifier.database.schema import Schema
from notifier.database.transaction import reads_only
from notifier.delivery.content_brake import Refusals
from notifier.delivery.deliver import Sender
from notifier.delivery.failing import Failing
from notifier.delivery.mailer import NO_KEY, Mail
from notifier.delivery.pump import Pump
from notifier.delivery.recheck import Recheck
from notifier.delivery.recovery.journal import Journal
from notifier.delivery.recovery.leases import Leases, LeaseTimes
from notifier.delivery.staging import Staging
from notifier.delivery.sweep import Sweep
from notifier.delivery.throttle.breaker import Breaker
from notifier.delivery.throttle.first_emails import FirstEmails
from notifier.delivery.throttle.gate import Gate
from notifier.delivery.throttle.handout import HandOut
from notifier.delivery.throttle.limits import Limits
from notifier.delivery.throttle.pace import Pace
from notifier.delivery.throttle.probing import Probing
from notifier.delivery.throttle.provider_holds import ProviderHolds
from notifier.delivery.throttle.provider_members import Members
from notifier.delivery.throttle.turnstile import Turnstile
from notifier.emails import EmailKind, registry
from notifier.explain.audit import Audit
from notifier.explain.plan import Planner
from notifier.explain.repair import Repair
from notifier.explain.restore import Reconciliation
from notifier.extensions import csrf, db, limiter, migrate
from notifier.observability import healthcheck, logs
from notifier.observability.mail_server_probe import probe_mail_server
from notifier.reasons import ReasonCode
from notifier.rendering.compose import Composer
from notifier.rendering.drafts import Drafts
from notifier.rendering.previews import Previews
from notifier.rendering.render import Renderer
from notifier.security.links import Links
from notifier.security.sealing import Sealer
from notifier.security.tokens import Signer
from notifier.sender_auth import DnsResolver, Resolver
from notifier.smtp.outcome import Outcome
from notifier.smtp.session import Endpoint
from notifier.smtp.transport import Transport
from notifier.smtp.transports import Transports, transport_configs
from notifier.tasks import alive, beat, celery_app, jobs, lifecycle, log_setup, pumping, readers, results, shutdown
from notifier.tasks.outbox import Outbox, Publish, never, nobody, watch
from notifier.tasks.peek import peek
from notifier.tasks.probe import probes
from notifier.tasks.publisher import Publisher
from notifier.web import errors, security
from notifier.web.bodies import read_whole
from notifier.web.consent import consent
from notifier.web.health import health
from notifier.web.not_me import not_me
from notifier.web.pages import pages
from notifier.web.prefix import below, path_of

ROOT = Path(__file__).resolve().parent.parent

#: A rate limit that waits for Redis would cost more than it saves, in seconds.
LIMITER_TIMEOUT = 0.1


def create_app(
    settings: Settings | None = None,
    *,
    publish: Publish | None = None,
    publish_runs: Publish | None = None,
    publish_requests: Publish | None = None,
    kinds: Mapping[str, EmailKind] | None = None,
    templates: Path = ROOT / "templates",
    resolver: Callable[[], Resolver] = DnsResolver,
) -> Flask:
    """Build a wired application.

    `publish`, `publish_runs` and `publish_requests` replace the broker: for email, for campaign runs, for what the
    public forms ask for. `kinds` and `templates` replace what it sends; `resolver` makes what DNS is asked with.

    Raises ConfigError (a SystemExit) with one line for each mistake in the settings.
    """
    settings = settings or load_settings()
    kinds = _kinds(settings) if kinds is None else kinds
    # The blueprints bring their static files; Flask's own /static would stand in front of them.
    app = Flask("notifier", root_path=str(ROOT / "notifier"), template_folder=str(templates), static_folder=None)
    app.config.from_mapping(_flask_config(settings))
    if settings.notifier_env != "test":
        logs.configure()
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=0)  # type: ignore[method-assign]
    # First, so that it sees a form before anything else reads it.
    security.init_app(app, settings.public_url)
    app.wsgi_app = read_whole(app.wsgi_app, app.config["MAX_CONTENT_LENGTH"])  # type: ignore[assignment, method-assign]
    _bind_extensions(app, settings)
    _wire(app, settings, publish, kinds, resolver)
    _wire_requests(app, settings, publish_requests or (publish and nobody))
    _wire_campaigns(app, settings, publish_runs or (publish and nobody), kinds)
    _register_doors(app)
    app.wsgi_app = below(app.wsgi_app, path_of(settings.public_url))  # type: ignore[assignment, method-assign]
    return app


def _kinds(settings: Settings) -> Mapping[str, EmailKind]:
    return registry(
        digest_within=timedelta(seconds=settings.digest_within),
        digest_gap=timedelta(seconds=settings.digest_gap),
        report_grace=timedelta(seconds=settings.report_grace),
    )


def _flask_config(settings: Settings) -> dict[str, object]:
    production = settings.notifier_env == "production"
    host = urlsplit(settings.link_base).hostname
    prefix = path_of(settings.public_url)
    return {
        "NOTIFIER_ENV": settings.notifier_env,
        "TESTING": settings.notifier_env == "test",
        "SECRET_KEY": settings.secret_keys[-1],
        "SECRET_KEY_FALLBACKS": settings.secret_keys[:-1],
        "SESSION_COOKIE_NAME": ("__Secure-notifier" if prefix else "__Host-notifier") if production else "notifier",
        "SESSION_COOKIE_PATH": prefix or "/",
        "SESSION_COOKIE_SECURE": production,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "WTF_CSRF_TIME_LIMIT": None,
        "WTF_CSRF_SSL_STRICT": False,  # pages send no Referer, by policy; the token is what counts
        "MAX_CONTENT_LENGTH": 256 * 1024,
        "MAX_FORM_PARTS": 100,
        "TRUSTED_HOSTS": sorted({host or "", "127.0.0.1", "localhost"} - {""}),
        "INBOX_URL": settings.inbox_url,
        "SQLALCHEMY_DATABASE_URI": settings.sqlalchemy_url,
        "SQLALCHEMY_ENGINE_OPTIONS": _engine_options(settings),
        "RATELIMIT_ENABLED": settings.ratelimit_enabled,
        "RATELIMIT_STORAGE_URI": settings.redis_url or "memory://",
        "RATELIMIT_STORAGE_OPTIONS": _limiter_options(settings),
        "RATELIMIT_IN_MEMORY_FALLBACK_ENABLED": bool(settings.redis_url),
        "RATELIMIT_KEY_PREFIX": "notifier",
        "MAIL_SERVER": settings.mail_server,
        "MAIL_PORT": settings.mail_port,
        "MAIL_USE_TLS": settings.mail_use_tls,
        "MAIL_USE_SSL": settings.mail_use_ssl,
        "MAIL_DEFAULT_SENDER": settings.mail_default_sender,
        "MAIL_SMTPUTF8": settings.mail_smtputf8,
        # How parse_address reads what people type.
        "ADDRESSES": {"allow_smtputf8": settings.mail_smtputf8, "allow_local": settings.allows_local_addresses},
        # As with Flask-Mail itself: tests send nothing unless they ask for it.
        "MAIL_SUPPRESS_SEND": (settings.notifier_env == "test")
        if settings.mail_suppress_send is None
        else settings.mail_suppress_send,
    }


def _engine_options(settings: Settings) -> dict[str, object]:
    # Parameters of statements are addresses and names, and errors of the database stand in logs.
    hidden: dict[str, object] = {"hide_parameters": True}
    if settings.sqlalchemy_url.startswith("sqlite"):
        return hidden
    return hidden | postgres.engine_options(settings.database_connect_timeout, settings.database_prepared_statements)


def _limiter_options(settings: Settings) -> dict[str, object]:
    if not settings.redis_url:
        return {}
    return {
        "socket_connect_timeout": LIMITER_TIMEOUT,
        "socket_timeout": LIMITER_TIMEOUT,
        "retry": Retry(NoBackoff(), 0),
    }


def _bind_extensions(app: Flask, settings: Settings) -> None:
    database = make_url(settings.sqlalchemy_url)
    if database.drivername == "sqlite" and database.database:
        folder = Path(database.database).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"DATABASE_URL: the folder {folder} cannot be made: {error.strerror}") from None
    db.init_app(app)
    migrate.init_app(app, db, directory=str(ROOT / "migrations"), render_as_batch=True)
    csrf.init_app(app)
    limiter.init_app(app)
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            sqlite.prepare(db.engine, reads_only)
            app.teardown_request(_end_reading)
            pools.prepare(db.engine, ping=None)
        else:
            timeout = settings.database_connect_timeout
            postgres.prepare(db.engine, timeout, settings.database_prepared_statements)
            pools.prepare(db.engine, ping=partial(postgres.ping, seconds=timeout))


def _end_reading(_error: BaseException | None) -> None:
    """What a GET read is over with it, also where its context outlives it, so that the next transaction may write."""
    if reads_only() and db.session.registry.has():
        db.session.rollback()


@cache
def _renderer(templates: Path, auto_reload: bool) -> Renderer:
    """Compiled templates belong to the process, however many applications it makes."""
    return Renderer(templates, auto_reload=auto_reload)


def _wire(
    app: Flask,
    settings: Settings,
    publish: Publish | None,
    kinds: Mapping[str, EmailKind],
    resolver: Callable[[], Resolver],
) -> None:
    grace = timedelta(seconds=settings.sweep_grace)
    signer = Signer(settings.secret_keys)
    links = Links(settings.link_base, signer)
    renderer = _renderer(Path(str(app.template_folder)), settings.notifier_env == "development")
    journal = Journal(settings.notifier_data_dir / "journal", settings.host, durable=settings.journal_durable)
    with app.app_context():
        engine = db.engine
    moments = DatabaseClock(
        engine, max_age=settings.database_clock_max_age, warn_above=settings.database_clock_warn_above
    )
    times = LeaseTimes(settings.mail_lease, settings.fence, settings.heartbeat)

    def begin(key: int) -> None:
        cast("Sender", app.extensions["notifier.sender"]).begin(key)

    def replied(key: int, outcome: Outcome) -> None:
        cast("Sender", app.extensions["notifier.sender"]).replied(key, outcome)

    def tick() -> float | None:
        return cast("Sender", app.extensions["notifier.sender"]).tick()

    def renew(owners: Collection[str], now: datetime, until: datetime) -> None:
        with app.app_context():
            ledger.renew(db.session(), owners, now=now, until=until)
            db.session.commit()

    transports = Transports(
        transport_configs(settings),
        lambda config: Transport(
            Endpoint.from_config(config, settings),
            connections=settings.mail_connections,
            sign=config.signer.sign if config.signer else None,
            on_begin=begin,
            on_reply=replied,
            on_tick=tick,
        ),
    )
    staging = Staging.from_settings(settings)
    mail = Mail(transport=transports.primary, staging=staging)
    mail.init_app(app)
    signups = _signup_limits(settings)
    first_emails = None if signups is None else FirstEmails(db.session, signups)
    limits = Limits.from_settings(settings, campaigns=True)
    gate = _gate(app, settings, transports, resolver, limits, first_emails)
    celery = celery_app.configure(app, settings)
    beat.schedule(celery, settings)
    publisher = Publisher(celery)
    outbox = Outbox(publish or (publisher if _has_broker(settings) else never))
    composer = Composer(settings, renderer, kinds)
    watch(db.session.session_factory)
    app.extensions |= {
        "celery": celery,
        "notifier.settings": settings,
        "notifier.transport": transports.primary,
        "notifier.transports": transports,
        "notifier.outbox": outbox,
        "notifier.accounts": Accounts(signer, grace=grace, limits=signups, erased_keys=settings.secret_keys),
        "notifier.not_me": NotMe(signer, settings.secret_keys, days=settings.not_me_days),
        "notifier.challenge": None,
        "notifier.links": links,
        "notifier.journals": journal.folder,
        "notifier.database_clock": moments,
        "notifier.sender": Sender(
            db.session,
            composer,
            lambda messages, name: mail.deliver_all(messages, via=transports.transport(name)),
            links,
            gate=gate,
            journal=journal,
            recheck=Recheck(
                db.session, kinds, cap_per_week=settings.mail_cap_per_week, fetch=composer.content_cache.fetch
            ),
            refusals=Refusals(partial(stop, db.session), share=settings.mail_content_refusals),
            leases=Leases(renew, moments.now, times),
            alone_from=settings.mail_deaths,
            failing=Failing(
                _stop_failing, share=settings.mail_content_failures, least=settings.mail_content_failures_least
            ),
            staging=staging,
            context=app.app_context,
            on_first_bounce=first_emails.bounced if first_emails else lambda: None,
        ),
        "notifier.sweep": Sweep(db.session, outbox.publish, journal.folder, moments.now, settings.mail_deaths),
        "notifier.limits": limits,
        "notifier.probes": lambda: healthcheck.ask(
            {
                "clock": lambda: healthcheck.clock_finding(moments, warn_above=settings.database_clock_warn_above),
                **probes(celery, configured=_has_broker(settings), settings=settings),
                "mail server": lambda: probe_mail_server(settings),
            }
        ),
        "notifier.hold": Hold(db.session),
        "notifier.schema": Schema(ROOT / "migrations"),
        "notifier.sealer": Sealer(settings.secret_keys),
        "notifier.previews": Previews(composer, settings.link_base),
        "notifier.drafts": Drafts(composer, settings.link_base, partial(mail.deliver, key=NO_KEY)),
        "notifier.is_alive": partial(alive.is_alive, celery, settings),
        "notifier.queues": lambda: peek(celery),
        "notifier.run_now": publisher.run_now,
        "notifier.publisher": publisher,
        "notifier.kinds": kinds,
        "notifier.schedule": {name: entry["schedule"] for name, entry in celery.conf.beat_schedule.items()},
    }
    assert jobs.deliver_notification.name in celery.tasks
    assert lifecycle.tell_ready
    assert log_setup.configure_logging
    assert pumping.PATIENCE
    assert results.queued
    assert readers.say_what_nobody_reads
    assert shutdown.stop


def _wire_requests(app: Flask, settings: Settings, publish: Publish | None) -> None:
    publisher: Publisher = app.extensions["notifier.publisher"]
    outbox = Outbox(publish or (publisher.handle_requests if _has_broker(settings) else never))
    app.extensions |= {
        "notifier.request_outbox": outbox,
        "notifier.account_requests": AccountRequests(
            db.session,
            app.extensions["notifier.accounts"],
            outbox.publish,
            grace=timedelta(seconds=settings.sweep_grace),
        ),
    }


def _signup_limits(settings: Settings) -> SignupLimits | None:
    if not settings.ratelimit_enabled:
        return None
    return SignupLimits(
        settings.secret_keys,
        per_day=settings.signup_emails_per_day,
        per_hour=settings.signup_emails_per_hour,
        bounces=settings.first_email_bounces,
        window=settings.first_email_window,
        per_minute=settings.first_emails_per_minute,
    )


def _stop_failing(run_id: int, failed: int, tried: int, error: str) -> None:
    stop_run(db.session, run_id, ReasonCode.content_failing, failed=failed, tried=tried, error=error)


def _gate(
    app: Flask,
    settings: Settings,
    transports: Transports,
    resolver: Callable[[], Resolver],
    limits: Limits | None,
    first_emails: FirstEmails | None,
) -> Gate:
    probing = Probing(settings.mail_probe_first, settings.mail_probe_longest)
    keep = timedelta(seconds=settings.mail_mx_ttl)
    return Gate(
        db.session,
        Breaker(db.session, probing=probing),
        Pace(db.session),
        transports=transports.names,
        choose=transports.choose,
        limits=limits,
        first_emails=first_emails,
        holds=ProviderHolds(db.session, probing=probing, witnesses=settings.mail_provider_witnesses),
        members=Members(db.session, resolver, app.app_context, keep=keep) if keep else None,
    )


def _wire_campaigns(app: Flask, settings: Settings, publish: Publish | None, kinds: Mapping[str, EmailKind]) -> None:
    outbox: Outbox = app.extensions["notifier.outbox"]
    publisher: Publisher = app.extensions["notifier.publisher"]
    runs = Outbox(publish or (publisher.expand if _has_broker(settings) else never))
    sender: Sender = app.extensions["notifier.sender"]
    previews: Previews = app.extensions["notifier.previews"]
    renderer = _renderer(Path(str(app.template_folder)), settings.notifier_env == "development")
    audit = Audit(db.session, sender.composer.message_id_of)
    limits: Limits | None = app.extensions["notifier.limits"]

    def make_pump(bulk: Collection[bool]) -> Pump | None:
        if limits is None:
            return None
        return Pump(
            db.session,
            HandOut(db.session, limits, Turnstile(limits.client), bulk=bulk),
            limits,
            lambda pacing, is_bulk: sender.deliver(pacing.pks, bulk=is_bulk, pacing=pacing),
            context=app.app_context,
            ended=partial(close_after, db.session),
            is_held=lambda: cast("Hold", app.extensions["notifier.hold"]).is_held(),
        )

    app.extensions |= {
        "notifier.make_pump": make_pump,
        "notifier.tick": Tick(db.session, runs.publish, kinds),
        "notifier.expansion": Expansion(
            db.session,
            outbox.publish,
            kinds,
            is_limited=lambda campaign: limits is not None and bool(campaign.rate or limits.rate),
        ),
        "notifier.follow": Follow(db.session, runs.publish),
        "notifier.planner": Planner(
            db.session,
            kinds,
            version_of=renderer.version,
            render=previews.planned,
            limit=settings.mail_rate,
            rates=limits is not None,
        ),
        "notifier.audit": audit,
        "notifier.reconciliation": Reconciliation(db.session),
        "notifier.moving": Moving(db.session, kinds),
        "notifier.repair": Repair(db.session, outbox.publish, kinds, audit),
    }


def _has_broker(settings: Settings) -> bool:
    """Tests run without one: Celery's own memory then stands in."""
    return bool(settings.broker_url) or settings.notifier_env == "test"


def _register_doors(app: Flask) -> None:
    errors.init_app(app)
    app.register_blueprint(pages)
    app.register_blueprint(not_me)
    app.register_blueprint(consent)
    app.register_blueprint(health)
    admin.init_app(app)
