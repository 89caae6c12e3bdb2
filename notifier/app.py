"""create_app(): Flask with doors, headers, error pages, CSRF, limits and cookies; `notifier.wiring` builds the rest."""

from collections.abc import Callable, Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Flask
from redis.backoff import NoBackoff
from redis.retry import Retry
from werkzeug.middleware.proxy_fix import ProxyFix

from notifier import redis_client, resources
from notifier.admin import site as admin
from notifier.admin.system.imports import largest_upload
from notifier.api.mounting import KEY as API_KEY
from notifier.api.mounting import LARGEST_BODY as LARGEST_API_BODY
from notifier.api.mounting import PATH as API
from notifier.api.mounting import OnDemand, beside
from notifier.config.loading import load_settings
from notifier.config.sentinel_url import is_sentinel
from notifier.config.settings import Settings
from notifier.database import engines
from notifier.emails import EmailKind
from notifier.embedding.host import Host
from notifier.extensions import csrf, limiter
from notifier.observability import logs
from notifier.outbox import Publish
from notifier.sender_auth import DnsResolver, Resolver
from notifier.services import KEY, Challenge
from notifier.web import errors, pages, security
from notifier.web.chunked_bodies import read_whole
from notifier.web.consent import consent
from notifier.web.health import health
from notifier.web.inbound import LARGEST_BODY, PATH, inbound, without_cookies
from notifier.web.metrics import metrics
from notifier.web.not_me import not_me
from notifier.web.prefix import below, path_of
from notifier.web.signup import sign_up
from notifier.wiring import build_services
from notifier.wiring.broker import Publishing
from notifier.wiring.database import bind_api, bind_database

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

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
    _mount_api(app, settings, host)
    if host is None:
        _own_the_process(app, settings)
    # First, so that it sees a form before any other code reads it.
    security.init_app(app, settings.public_url, owns_host=host is None)
    app.wsgi_app = _read_first(app)  # type: ignore[assignment, method-assign]
    bind_database(app, settings, host.engine if host else None)
    csrf.init_app(app)
    limiter.init_app(app)
    publishing = Publishing(publish, publish_runs, publish_requests)
    app.extensions[KEY] = build_services(
        app, settings, publishing, host=host, kinds=kinds, resolver=resolver, challenge=challenge
    )
    _register_doors(app, own_signup=host is None)
    app.wsgi_app = below(app.wsgi_app, path_of(settings.public_url))  # type: ignore[assignment, method-assign]
    return app


def _mount_api(app: Flask, settings: Settings, host: Host | None) -> None:
    """Serve the API below `/v1` of `app`. It is built when it is first asked, or by gunicorn before it forks.

    Workers and commands never ask it, and its library and models take 25 MB and a third of a second.
    """

    def build() -> Flask:
        address = f"{settings.link_base}{API}"
        api: Flask = resolve_name("notifier.api.building:build")(app.config, str(app.template_folder), address)
        security.init_app(api, settings.public_url, owns_host=host is None)
        bind_api(api, app)
        api.extensions[KEY] = app.extensions[KEY]
        return api

    app.extensions[API_KEY] = api = OnDemand(build)
    app.wsgi_app = beside(app.wsgi_app, api, but=PATH)  # type: ignore[assignment, method-assign]


def _read_first(app: Flask) -> "WSGIApplication":
    """Return `app` behind what reads its bodies and hides cookies from webhooks."""
    larger = {PATH: LARGEST_BODY, f"{API}/": LARGEST_API_BODY}
    return read_whole(without_cookies(app.wsgi_app), app.config["MAX_CONTENT_LENGTH"], larger)


def _own_the_process(app: Flask, settings: Settings) -> None:
    """Decide about logs and proxies. Inside another application, that one does."""
    if settings.notifier_env != "test":
        logs.configure()
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=0)  # type: ignore[method-assign]


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
        "LARGEST_UPLOAD": largest_upload,
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


def _register_doors(app: Flask, *, own_signup: bool) -> None:
    errors.init_app(app)
    pages.init_app(app)
    if own_signup:
        app.register_blueprint(sign_up)
    app.register_blueprint(not_me)
    app.register_blueprint(consent)
    app.register_blueprint(health)
    app.register_blueprint(metrics)
    app.register_blueprint(inbound)
    admin.init_app(app)
