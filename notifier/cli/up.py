"""`notifier up`: the whole stack on this machine, with one command."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from notifier import extras
from notifier.cli.refusals import refuse_older_layout
from notifier.config.loading import load_settings, make_development_key
from notifier.config.settings import UpSettings
from notifier.database.older_layout import refuse_folder
from notifier.dev.datalock import data_lock
from notifier.dev.stack import PROBLEMS, Wishes, run_up
from notifier.dev.upenv import up_env_path

PORT = click.IntRange(0, 65535)


def migrate(env: Mapping[str, str]) -> None:
    """Upgrade the database and create an admin user, in a process of its own: this one only supervises."""
    command = [sys.executable, "-m", "notifier", "db", "upgrade", "--first-operator"]
    done = subprocess.run(command, env={**os.environ, **env}, check=False)
    if done.returncode != 0:
        raise click.ClickException("The database could not be upgraded; the reason is above.")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address on which web and inbox listen.")
@click.option("--web-port", default=8000, show_default=True, type=PORT, help="0: any free port.")
@click.option("--inbox-port", default=8025, show_default=True, type=PORT, help="0: any free port.")
@click.option("--smtp-port", default=1025, show_default=True, type=PORT, help="0: any free port.")
@click.option("--bounce-port", default=2401, show_default=True, type=PORT, help="0: any free port.")
@click.option(
    "--data-dir",
    default=lambda: os.environ.get("NOTIFIER_DATA_DIR", "var"),
    show_default="NOTIFIER_DATA_DIR, or var",
    type=click.Path(file_okay=False, path_type=Path),
    help="Database, broker data and logs.",
)
def up(host: str, web_port: int, inbox_port: int, smtp_port: int, bounce_port: int, data_dir: Path) -> None:
    """Start everything on this machine, until Ctrl-C.

    That is the web server, the workers, the scheduler, the broker, the inbox and the listener for bounces.
    """
    extras.require("dev", "notifier up")
    folder = data_dir.resolve()
    os.environ["NOTIFIER_DATA_DIR"] = str(folder)
    # All files in it hold addresses or secrets, so other users of this machine must not read them.
    os.umask(0o077)
    try:
        # Before anything in the folder is touched: an older one stays exactly as it is.
        refuse_folder(folder)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        make_development_key(folder)
        with data_lock(folder):
            # This is the only `up` with this folder: a file that still exists was left by one that was killed.
            up_env_path(folder).unlink(missing_ok=True)
            settings = load_settings(UpSettings)
            refuse_older_layout(settings)
            run_up(settings, Wishes(host, web_port, inbox_port, smtp_port, bounce_port), folder, migrate)
    except PROBLEMS as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"--data-dir: {error.filename or folder}: {error.strerror}") from None
