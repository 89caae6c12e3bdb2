"""The admin as a whole: its pages, its menu, its files."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, Flask, g, request, url_for
from flask_admin import Admin
from flask_admin.theme import Bootstrap4Theme

from notifier.admin.access.account import Account
from notifier.admin.access.link import link
from notifier.admin.access.operators import Operators
from notifier.admin.access.sign_in import sign_in
from notifier.admin.campaigns import slot_times
from notifier.admin.campaigns.pages import Campaigns
from notifier.admin.campaigns.runs import Runs
from notifier.admin.content.pages import Templates
from notifier.admin.kit import arguments, came_back, formats, login, moments, trouble
from notifier.admin.kit.page import Page
from notifier.admin.people.finding import Search
from notifier.admin.people.notifications import Notifications
from notifier.admin.people.people import People
from notifier.admin.people.suppressions import Suppressions
from notifier.admin.people.unassigned import Unassigned
from notifier.admin.people.uncertain import Uncertain
from notifier.admin.system.api_keys import ApiKeys
from notifier.admin.system.audit_log import AuditLog
from notifier.admin.system.dashboard import Dashboard
from notifier.admin.system.failures import FailuresPage
from notifier.admin.system.health import HealthPage
from notifier.admin.system.held import HeldPage
from notifier.admin.system.imports import Imports
from notifier.admin.system.jobs import Jobs
from notifier.admin.system.queue import QueuePage
from notifier.admin.system.tasks import Tasks
from notifier.admin.system.webhook_endpoints import WebhookEndpoints
from notifier.admin.system.webhooks import Webhooks
from notifier.models import Role
from notifier.services import services, services_of

#: Every page, in the order of the menu. A new page is a class and a line here.
PAGES: Sequence[type[Page]] = (
    Dashboard,
    Campaigns,
    Runs,
    Templates,
    Notifications,
    People,
    Suppressions,
    FailuresPage,
    Uncertain,
    Unassigned,
    QueuePage,
    HeldPage,
    Tasks,
    Jobs,
    Webhooks,
    WebhookEndpoints,
    ApiKeys,
    Operators,
    Imports,
    HealthPage,
    AuditLog,
    Search,
    Account,
)

#: Not there if an application that embeds ours decides who the operators are.
OF_OUR_OPERATORS = (Account, Operators)

#: The sections of the menu; pages without a section come first.
SECTIONS = ("", "Send", "Find", "System")

#: Styles and scripts. They are public, because the sign-in page needs them, too.
assets = Blueprint("admin_assets", __name__, static_folder="static", static_url_path="/static/admin", url_prefix=None)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the menu."""

    title: str
    url: str
    here: bool
    #: What waits there, such as a number; empty if nothing does.
    badge: str


def init_app(app: Flask) -> None:
    """Mount the admin at /admin.

    If the application that embeds ours decides who the operators are, there is no sign-in of ours: it would be a second
    way in, which that application neither knows nor can close.
    """
    app.url_map.converters["key"] = arguments.KeyConverter
    login.init_app(app)
    signs_in = services_of(app).ask_operator is None
    pages = [page() for page in PAGES if signs_in or page not in OF_OUR_OPERATORS]
    admin = Admin(
        app,
        name="Notifier",
        index_view=pages[0],
        url="/admin",
        endpoint="admin",
        theme=Bootstrap4Theme(base_template="admin/base.html"),
    )
    admin.add_views(*pages[1:])
    app.register_blueprint(assets)
    if signs_in:
        app.register_blueprint(sign_in)
        app.register_blueprint(link)
    app.jinja_env.filters |= formats.FILTERS | moments.FILTERS | dict(came_back.FILTERS) | slot_times.FILTERS
    app.jinja_env.globals |= {
        **trouble.GLOBALS,
        "admin_operator": login.current,
        "admin_host_path": lambda: services().host_path,
        "admin_menu": lambda: _menu(pages),
        "admin_may": lambda role: login.may(Role(role)),
    }


def _menu(pages: Sequence[Page]) -> list[tuple[str, list[Entry]]]:
    """Return the sections with their entries."""
    # The page shows the menu twice: for phones, and for everything else.
    if "_notifier_menu" in g:
        known: list[tuple[str, list[Entry]]] = g._notifier_menu
        return known
    by_section: dict[str, list[Entry]] = {name: [] for name in SECTIONS}
    for page in pages:
        if page.in_menu and page.is_accessible():
            here = (request.endpoint or "").partition(".")[0] == page.endpoint
            by_section[page.section].append(Entry(page.title, url_for(f"{page.endpoint}.index"), here, page.badge()))
    g._notifier_menu = [(name, entries) for name, entries in by_section.items() if entries]
    return list(g._notifier_menu)
