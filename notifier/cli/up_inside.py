"""`flask notifier up`: broker, inbox, worker and scheduler for the application that embeds us."""

import os
from pathlib import Path

import click
from flask import Flask
from flask.cli import ScriptInfo
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from notifier import extras
from notifier.cli.main import root_of
from notifier.cli.refusals import refusal
from notifier.cli.up import PORT
from notifier.dev.datalock import data_lock
from notifier.dev.inside import run_inside
from notifier.dev.stack import PROBLEMS, Wishes
from notifier.dev.upenv import up_env_path
from notifier.extensions import db
from notifier.models import Notification


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address on which the inbox listens.")
@click.option(
    "--web-port",
    type=click.IntRange(1, 65535),
    help="The port on which your application will listen. [default: FLASK_RUN_PORT, or 5000]",
)
@click.option("--inbox-port", default=8025, show_default=True, type=PORT, help="0: any free port.")
@click.option("--smtp-port", default=1025, show_default=True, type=PORT, help="0: any free port.")
@click.option("--bounce-port", default=2401, show_default=True, type=PORT, help="0: any free port.")
@click.pass_context
def up(
    context: click.Context, host: str, web_port: int | None, inbox_port: int, smtp_port: int, bounce_port: int
) -> None:
    """Start what sends the emails of this application, until Ctrl-C.

    That is the worker, the scheduler, the broker, the inbox and the listener for bounces. Start your application
    itself with `flask run`.
    """
    extras.require("dev", "flask notifier up")
    root = root_of(context)
    settings = root.settings()
    if settings.notifier_env != "development":
        raise click.ClickException(f"`up` is for development, and NOTIFIER_ENV is {settings.notifier_env}.")
    env = {"NOTIFIER_DATA_DIR": str(settings.notifier_data_dir.resolve()), **_found_again(context)}
    _refuse_missing_tables(root.app())
    folder = settings.notifier_data_dir.resolve()
    # All files in it hold addresses or secrets, so other users of this machine must not read them.
    os.umask(0o077)
    try:
        folder.chmod(0o700)
        with data_lock(folder):
            up_env_path(folder).unlink(missing_ok=True)
            wishes = Wishes(host, web_port or 0, inbox_port, smtp_port, bounce_port)
            run_inside(settings, wishes, env, Path.cwd())
    except PROBLEMS as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"NOTIFIER_DATA_DIR: {error.filename or folder}: {error.strerror}") from None


def _found_again(context: click.Context) -> dict[str, str]:
    """Return the environment in which other processes load the application that Flask has loaded.

    Raise ClickException if they could not: a command of the host's own may have built it by a function.
    """
    info = context.ensure_object(ScriptInfo)
    named = info.app_import_path or os.environ.get("FLASK_APP")
    if named:
        return {"FLASK_APP": named}
    if info.create_app is not None:
        raise click.ClickException(
            "The worker is another process, which must find your application: set FLASK_APP, as in "
            "FLASK_APP=shop:create_app"
        )
    # By its name: a module on the path may be called so, too.
    return {"FLASK_APP": "wsgi.py" if Path("wsgi.py").exists() else "app.py"}


def _refuse_missing_tables(app: Flask) -> None:
    """Raise ClickException, which says what to do, if the worker could not use the database."""
    with app.app_context():
        try:
            db.session.execute(select(Notification.id).limit(1))
        except DBAPIError as error:
            raise click.ClickException(refusal(error, db.engine.url, inside=True)) from None
        # The supervisor uses no database.
        db.session.remove()
        db.engine.dispose()
