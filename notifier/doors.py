"""Everything that answers HTTP: pages, forms, the admin, webhooks of providers and the API, on an application of ours.

`notifier.app` imports this module by name when the first request comes, or gunicorn's configuration before it forks:
workers and commands answer none, and without it they start in four fifths of the time.
"""

from pkgutil import resolve_name
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from notifier.admin import site as admin
from notifier.admin.system.imports import largest_upload
from notifier.api.mounting import KEY as API_KEY
from notifier.api.mounting import LARGEST_BODY as LARGEST_API_BODY
from notifier.api.mounting import PATH as API
from notifier.api.mounting import beside
from notifier.config.settings import Settings
from notifier.on_demand import OnDemand
from notifier.page_extensions import csrf, limiter
from notifier.services import KEY
from notifier.web import errors, pages, security
from notifier.web.chunked_bodies import read_whole
from notifier.web.consent import consent
from notifier.web.health import health
from notifier.web.inbound import LARGEST_BODY, PATH, inbound, without_cookies
from notifier.web.metrics import metrics
from notifier.web.not_me import not_me
from notifier.web.prefix import below, path_of
from notifier.web.signup import sign_up
from notifier.wiring.database import bind_api

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication


def open_doors(app: Flask, settings: Settings, flask: "WSGIApplication", *, embedded: bool) -> "WSGIApplication":
    """Register all pages with `app`, which has answered no request yet. Return what answers requests.

    Args:
        flask: The WSGI application of Flask itself.
        embedded: Whether another application embeds ours, to whom the host name, the proxies and the sign-up belong.
    """
    app.config["LARGEST_UPLOAD"] = largest_upload
    api = _api(app, settings, embedded=embedded)
    wsgi = beside(flask, api, but=PATH)
    if not embedded and (hops := settings.trusted_proxies):
        wsgi = ProxyFix(wsgi, x_for=hops, x_proto=hops, x_host=0)
    # First, so that it sees a form before any other code reads it.
    security.init_app(app, settings.public_url, owns_host=not embedded)
    wsgi = security.accept_hosts(wsgi, settings.public_url)
    # It reads bodies, and hides cookies from webhooks.
    larger = {PATH: LARGEST_BODY, f"{API}/": LARGEST_API_BODY}
    wsgi = read_whole(without_cookies(wsgi), app.config["MAX_CONTENT_LENGTH"], larger)
    csrf.init_app(app)
    limiter.init_app(app)
    _register(app, own_signup=not embedded)
    app.extensions[API_KEY] = api
    return below(wsgi, path_of(settings.public_url))


def _api(app: Flask, settings: Settings, *, embedded: bool) -> OnDemand:
    """Return the API. It is built when it is first asked, or by gunicorn before it forks.

    Its library and models take 25 MB and a third of a second, and many installations never ask it.
    """

    def build() -> Flask:
        address = f"{settings.link_base}{API}"
        api: Flask = resolve_name("notifier.api.building:build")(app.config, str(app.template_folder), address)
        security.init_app(api, settings.public_url, owns_host=not embedded)
        api.wsgi_app = security.accept_hosts(api.wsgi_app, settings.public_url)  # type: ignore[assignment, method-assign]
        bind_api(api, app)
        api.extensions[KEY] = app.extensions[KEY]
        return api

    return OnDemand(build)


def _register(app: Flask, *, own_signup: bool) -> None:
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
