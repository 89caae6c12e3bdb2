"""The front page, and the page behind the link that confirms an address."""

from flask import Blueprint, Flask, Response, abort, current_app, redirect, render_template, url_for
from werkzeug.wrappers import Response as WerkzeugResponse

from notifier.accounts.signup import LinkState
from notifier.database.transaction import check_answers
from notifier.extensions import db
from notifier.services import services, services_of
from notifier.web.forms import AddressForm

pages = Blueprint("web", __name__, static_folder="static", static_url_path="/static")


def init_app(app: Flask) -> None:
    """Serve these pages; tell all templates the product, its front page, and whether people sign up here."""
    links, settings = services_of(app).links, services_of(app).settings
    app.register_blueprint(pages)

    def front_page() -> str:
        return links.home() if links.home_url else url_for("web.index")

    app.jinja_env.globals.update(front_page=front_page, own_signup=links.own_signup, product=settings.product)


@pages.get("/")
def index() -> str | WerkzeugResponse:
    """Show the start page. Inside another application, lead to the front page of that one."""
    links = services().links
    if not links.own_signup:
        if links.front_page == links.base:
            abort(404)  # these pages run apart, and no setting names the front page
        return redirect(links.home())
    check_answers(db.session())  # before a person fills in a form that could not be stored
    return render_template("web/index.html", inbox_url=current_app.config["INBOX_URL"] or None)


@pages.get("/verify/<token>")
def verify(token: str) -> Response:
    """Show a page with a button. Looking changes nothing: scanners follow links, too."""
    state = services().accounts.examine(db.session(), token)
    db.session.rollback()
    return _no_store(_verify_page(state))


@pages.post("/verify/<token>")
def confirm(token: str) -> Response:
    """Confirm the address: the page's button."""
    state = services().accounts.verify(db.session(), token)
    db.session.commit()
    return _no_store(_verify_page(state))


def _verify_page(state: LinkState) -> tuple[str, int]:
    match state:
        case LinkState.valid:
            return render_template("web/verify.html", form=AddressForm(formdata=None)), 200
        case LinkState.done:
            return render_template("web/verified.html"), 200
        case LinkState.expired:
            form = AddressForm(formdata=None)
            return render_template("web/verify_failed.html", form=form, expired=True), 410
        case LinkState.invalid:
            form = AddressForm(formdata=None)
            return render_template("web/verify_failed.html", form=form, expired=False), 404


def _no_store(page: tuple[str, int]) -> Response:
    """Keep a page whose address holds a token out of all caches."""
    body, status = page
    response = Response(body, status)
    response.headers["Cache-Control"] = "no-store"
    return response
