"""create_app(): Flask and its configuration; `notifier.wiring` builds the parts, `notifier.doors` what answers."""

from collections.abc import Callable, Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from flask import Flask
from redis.backoff import NoBackoff
from redis.retry import Retry

from notifier import redis_client, resources
from notifier.config.loading import load_settings
from notifier.config.sentinel_url import is_sentinel
from notifier.config.settings import Settings
from notifier.database import engines
from notifier.emails import EmailKind
from notifier.embedding.host import Host
from notifier.observability import logs
from notifier.on_demand import OnDemand
from notifier.outbox import Publish
from notifier.sender_auth import DnsResolver, Resolver
from notifier.services import KEY, Challenge
from notifier.web.prefix import path_of
from notifier.wiring import build_services
from notifier.wiring.broker import Publishing
from notifier.wiring.database import bind_database

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

#: Where an application of ours keeps what answers its requests.
DOORS: Final = "notifier.doors"

#: A rate limit that waits for Redis would cost more than it saves, in seconds.
LIMITER_TIMEOUT = 0.1


def create_app(
    settings: Settings | None = None,
    *,
    host: Host | None = None,
    publish: Publish | None = None,
    publish_runs: Publish | None = None,
    publish_requests: Publish | None = None,
    kinds: Mapping[str, EmailKind] | None = None,
    templates: Path | None = None,
    resolver: Callable[[], Resolver] = DnsResolver,
    challenge: Challenge | None = None,
) -> Flask:
    """Build a wired application.

    `host`: the application that embeds this one, whose database it uses. `publish`, `publish_runs` and
    `publish_requests` replace the broker: for emails, for campaign runs, for account requests. `kinds` and `templates`
    replace the emails; `resolver` builds the DNS resolver. `challenge` is called while first emails are slowed.

    Raise ConfigError (a SystemExit) with one line for each mistake in the settings.
    """
    settings = settings or load_settings()
    # The blueprints have their own static files; Flask's /static would hide them.
    app = Flask("notifier", template_folder=str(templates or resources.templates()), static_folder=None)
    app.config.from_mapping(_flask_config(settings, host))
    if host is None and settings.notifier_env != "test":
        # Inside another application, that one decides about logs.
        logs.configure()
    bind_database(app, settings, host.engine if host else None)
    publishing = Publishing(publish, publish_runs, publish_requests)
    app.extensions[KEY] = build_services(
        app, settings, publishing, host=host, kinds=kinds, resolver=resolver, challenge=challenge
    )
    _let_doors_open(app, settings, embedded=host is not None)
    return app


def _let_doors_open(app: Flask, settings: Settings, *, embedded: bool) -> None:
    """Register the pages when the first request comes, or earlier by `ready`."""
    flask = app.wsgi_app

    def build() -> "WSGIApplication":
        wsgi: WSGIApplication = resolve_name("notifier.doors:open_doors")(app, settings, flask, embedded=embedded)
        return wsgi

    app.extensions[DOORS] = app.wsgi_app = OnDemand(build)  # type: ignore[method-assign]


def ready(app: Flask) -> Flask:
    """Register the pages of `app` now, and return it: for a server that forks, and for those who ask for its routes."""
    app.extensions[DOORS].ready()
    return app


def _flask_config(settings: Settings, host: Host | None) -> dict[str, object]:
    own_host = urlsplit(settings.link_base).hostname or ""
    return {
        **_database_config(settings, host),
        **_session_config(settings, host),
        "NOTIFIER_ENV": settings.notifier_env,
        "TESTING": settings.notifier_env == "test",
        "SECRET_KEY": settings.secret_keys[-1],
        "SECRET_KEY_FALLBACKS": settings.secret_keys[:-1],
        "WTF_CSRF_TIME_LIMIT": None,
        "WTF_CSRF_SSL_STRICT": False,  # Pages send no Referer, by policy, so only the token counts.
        "MAX_CONTENT_LENGTH": 256 * 1024,
        "MAX_FORM_PARTS": 100,
        "TRUSTED_HOSTS": sorted({own_host, *settings.trusted_hosts, "127.0.0.1", "localhost"} - {""}),
        "INBOX_URL": settings.inbox_url,
        "RATELIMIT_ENABLED": settings.ratelimit_enabled,
        "RATELIMIT_STORAGE_URI": _limiter_store(settings),
        "RATELIMIT_STORAGE_OPTIONS": _limiter_options(settings),
        "RATELIMIT_IN_MEMORY_FALLBACK_ENABLED": bool(settings.redis_url),
        "RATELIMIT_KEY_PREFIX": "notifier",
        "MAIL_SERVER": settings.mail_server,
        "MAIL_PORT": settings.mail_port,
        "MAIL_USE_TLS": settings.mail_use_tls,
        "MAIL_USE_SSL": settings.mail_use_ssl,
        "MAIL_DEFAULT_SENDER": settings.mail_default_sender,
        "MAIL_SMTPUTF8": settings.mail_smtputf8,
        # The way in which parse_address reads typed addresses.
        "ADDRESSES": {"allow_smtputf8": settings.mail_smtputf8, "allow_local": settings.allows_local_addresses},
        # As with Flask-Mail itself, tests send nothing unless they ask for it.
        "MAIL_SUPPRESS_SEND": (settings.notifier_env == "test")
        if settings.mail_suppress_send is None
        else settings.mail_suppress_send,
    }


def _database_config(settings: Settings, host: Host | None) -> dict[str, object]:
    if host is not None:
        # Flask-SQLAlchemy wants an address. It is never connected to: sessions use the host's engine.
        return {"SQLALCHEMY_DATABASE_URI": "sqlite://"}
    return {
        "SQLALCHEMY_DATABASE_URI": settings.sqlalchemy_url,
        "SQLALCHEMY_ENGINE_OPTIONS": engines.engine_options(settings),
    }


def _session_config(settings: Settings, host: Host | None) -> dict[str, object]:
    production, prefix = settings.notifier_env == "production", path_of(settings.public_url)
    return {
        "SESSION_COOKIE_NAME": _cookie_name(prefix, production, host),
        "SESSION_COOKIE_PATH": prefix or "/",
        "SESSION_COOKIE_SECURE": production,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
    }


def _cookie_name(prefix: str, production: bool, host: Host | None) -> str:
    """Return the name of the session's cookie; mounted, it carries the path, because the host may mount two of us."""
    name = "notifier" + (prefix.replace("/", "_").replace("~", "_") if host else "")
    if not production:
        return name
    return f"__Secure-{name}" if prefix else f"__Host-{name}"


def _limiter_store(settings: Settings) -> str:
    """Return the address for Flask-Limiter. It reads none of Sentinels, and takes their pool of connections instead."""
    return "redis://" if is_sentinel(settings.redis_url) else settings.redis_url or "memory://"


def _limiter_options(settings: Settings) -> dict[str, object]:
    if not settings.redis_url:
        return {}
    if is_sentinel(settings.redis_url):
        return {"connection_pool": redis_client.connect(settings.redis_url, timeout=LIMITER_TIMEOUT).connection_pool}
    return {
        "socket_connect_timeout": LIMITER_TIMEOUT,
        "socket_timeout": LIMITER_TIMEOUT,
        "retry": Retry(NoBackoff(), 0),
    }
