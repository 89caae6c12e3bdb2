"""What all pages share."""

from flask import Flask, render_template, session
from flask_wtf.csrf import CSRFError


def init_app(app: Flask) -> None:
    """Add the filters and names of the templates, and the error pages."""
    app.add_template_filter(euros)
    app.context_processor(lambda: {"basket_size": sum(session.get("basket", {}).values())})
    app.register_error_handler(404, lambda _error: (render_template("error.html", title="Not found"), 404))
    app.register_error_handler(CSRFError, lambda error: (render_template("error.html", title=error.description), 400))


def euros(cents: int) -> str:
    """Return an amount for people, such as €12.50."""
    return f"€{cents // 100:,}.{cents % 100:02}"
