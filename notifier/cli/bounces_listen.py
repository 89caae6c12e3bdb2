"""`notifier bounces listen`: a small mail server for what comes back."""

import asyncio
import logging

import click
from flask import Flask

from notifier.cli.context import with_app
from notifier.cli.showing import say
from notifier.listener.server import listen as serve
from notifier.services import services_of


@click.command("listen")
@with_app
def listen(app: Flask) -> None:
    """Accept what comes back by LMTP or SMTP, until SIGTERM or Ctrl-C.

    A mail server in front hands emails on to it. The settings BOUNCE_LISTEN_* choose address, protocol and bounds. It
    accepts return paths of our emails, answers once an email is stored, and never sends one.
    """
    services = services_of(app)
    settings = services.settings
    where = f"{settings.bounce_listen_host}:{settings.bounce_listen_port}"
    # It is a server, and its log is read later.
    logging.getLogger().setLevel(logging.INFO)
    try:
        asyncio.run(
            serve(
                app, settings, services.intake,
                lambda: say(f"Listening for bounces: {settings.bounce_listen_protocol} {where}"),
            )
        )  # fmt: skip
    except OSError as error:
        raise click.ClickException(f"BOUNCE_LISTEN_HOST, BOUNCE_LISTEN_PORT: {error.strerror or error}") from None
