"""Build the Flask application of the API."""

from collections.abc import Mapping
from typing import Any, Final

from flask_openapi.openapi import OpenAPI
from werkzeug.routing import BaseConverter

from notifier.api import documentation, errors, gate, links, rate
from notifier.api.mistakes import refuse
from notifier.api.operation import SCHEME
from notifier.api.problems import ProblemAnswer
from notifier.api.requests import ApiRequest
from notifier.api.resources import RESOURCES

#: Keys of our own application's configuration that the API shares.
_SHARED: Final = (
    "NOTIFIER_ENV", "TESTING", "SECRET_KEY", "TRUSTED_HOSTS", "ADDRESSES", "RATELIMIT_ENABLED", "RATELIMIT_STORAGE_URI",
    "RATELIMIT_STORAGE_OPTIONS", "RATELIMIT_IN_MEMORY_FALLBACK_ENABLED", "RATELIMIT_KEY_PREFIX",
)  # fmt: skip

_DESCRIPTION: Final = (
    "Emails to people of your application, over HTTP. Every email is a row before it is anything else, and every row "
    "explains itself. Times have an offset (RFC 3339), lists have cursors, errors are problems (RFC 9457) whose `type` "
    "leads to a page, and fields are added but never removed."
)


class RowConverter(BaseConverter):
    """`<row:id>`: the id of a row. Without it, `/notifications/batch` would be an email, too."""

    regex = "[1-9][0-9]{0,17}"


def build(config: Mapping[str, Any], templates: str, address: str) -> OpenAPI:
    """Return the application, whose parts and database are still to be bound.

    Args:
        config: That of our own application.
        templates: The folder of templates.
        address: That of the API, such as `https://mail.example.com/v1`.

    Raise LookupError if an operation does not say what it needs.
    """
    api = OpenAPI(
        "notifier.api",
        info={"title": "notifier", "version": "1", "description": _DESCRIPTION},
        servers=[{"url": address}],
        security_schemes={SCHEME: {"type": "http", "scheme": "bearer", "bearerFormat": "nk_<id>_<secret>"}},
        validation_error_model=ProblemAnswer,
        validation_error_callback=refuse,
        doc_ui=False,
        template_folder=templates,
        static_folder=None,
    )
    api.openapi_version = "3.1.0"
    api.request_class = ApiRequest
    api.config.from_mapping({name: config[name] for name in _SHARED})
    # Answering OPTIONS would begin to allow what other sites may ask for.
    api.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    # A redirect would send the body of a POST again, to an address that was not asked.
    api.url_map.merge_slashes = False
    api.url_map.converters["row"] = RowConverter
    errors.init_app(api)
    # Before the gate: the limiter's own look at each request would forget what the gate has counted.
    rate.init_app(api)
    gate.init_app(api)
    for resource in RESOURCES:
        api.register_api(resource.blueprint)
    links.add(api.paths, {name: each for resource in RESOURCES for name, each in resource.answers.items()})
    documentation.init_app(api)
    for endpoint in api.view_functions:
        gate.needs_of(api, endpoint)
    return api
