"""`notifier bounces read`: emails that came back become rows and consequences."""

import os
import sys
from collections.abc import Callable, Iterator
from functools import partial, wraps
from pathlib import Path
from typing import NoReturn, ParamSpec, TypeVar

import click
import structlog
from flask import Flask

from notifier.bounces.files import Found, emails_in, emails_of, new_in, put_away
from notifier.cli.bounces_imap import FROM_SETTINGS, Misconfigured, read_mailbox
from notifier.cli.context import with_app
from notifier.cli.options import as_json_option
from notifier.cli.showing import say, show, tell
from notifier.extensions import db
from notifier.feedback.reader import EFFECTS, Reader, Tally
from notifier.services import services_of

log = structlog.get_logger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

#: Of input that is thrown away, bytes at once.
_CHUNK = 64 * 1024


def _try_later(command: Callable[P, R]) -> Callable[P, R]:
    """End with EX_TEMPFAIL if it fails for a reason outside the email, so that the mail server offers it again."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except click.UsageError as error:
            error.exit_code = os.EX_USAGE  # type: ignore[misc]
            raise
        except Misconfigured:
            raise
        except click.ClickException as error:
            error.exit_code = os.EX_TEMPFAIL  # type: ignore[misc]
            raise
        except (click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            # Any other status makes a mail server throw the email away, because its sender is empty.
            log.exception("bounces.not_read", error=type(error).__name__)
            _exit(os.EX_TEMPFAIL)

    return wrapped


def _exit(status: int) -> NoReturn:
    sys.exit(status)


@click.command("read")
@click.argument("source", required=False, type=click.Choice(["-"]), metavar="[-]")
@click.option(
    "--maildir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Read new/ of this Maildir, and move each email to cur/ when it is stored.",
)
@click.option(
    "--mbox",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read this mbox; it stays as it is.",
)
@click.option(
    "--imap",
    is_flag=False,
    flag_value=FROM_SETTINGS,
    metavar="[URL]",
    help="Read this mailbox, such as imaps://user@host/INBOX; without a URL that of INBOUND_IMAP_URL. The password is "
    "INBOUND_IMAP_PASSWORD. Each email is deleted when it is stored.",
)
@click.option("--keep", is_flag=True, help="With --imap: mark emails that are stored instead of deleting them.")
@click.option("--move-to", metavar="FOLDER", help="With --imap: move emails that are stored to this folder.")
@click.option("--recipient", default="", metavar="ADDRESS", help="The recipient of the envelope, if it is known.")
@as_json_option
@_try_later
@with_app
def read(
    app: Flask,
    source: str | None,
    maildir: Path | None,
    mbox: Path | None,
    imap: str | None,
    keep: bool,
    move_to: str | None,
    recipient: str,
    as_json: bool,
) -> None:
    """Store what came back, and suppress addresses that are dead.

    Give one source: --maildir, --mbox, --imap, or - for one email on standard input, such as a pipe from a mail
    server. An email that was read before changes nothing. Exit with 75 (EX_TEMPFAIL) if something is to be read
    again, and with 78 (EX_CONFIG) if the server of a mailbox refuses.
    """
    if sum(map(bool, (source, maildir, mbox, imap))) != 1:
        raise click.UsageError("Give one of --maildir, --mbox, --imap and -.")
    if imap is None and (keep or move_to):
        raise click.UsageError("--keep and --move-to need --imap.")
    parts = services_of(app)
    reader = Reader(db.session, parts.intake)
    if maildir is not None:
        tally = reader.read(new_in(maildir), envelope_to=recipient, done=partial(put_away, maildir))
    elif mbox is not None:
        tally = reader.read(emails_in(mbox), envelope_to=recipient)
    elif imap is not None:
        tally = read_mailbox(reader, parts.settings, imap, keep=keep, move_to=move_to, recipient=recipient)
    else:
        tally = reader.read(_standard_input(), envelope_to=recipient)
    _report(tally, as_json=as_json)
    # What is to be read again stays where it is: in a Maildir and in a mailbox the next run finds it.
    if tally.unreadable or (tally.later and maildir is None and imap is None):
        _exit(os.EX_TEMPFAIL)


def _standard_input() -> Iterator[Found]:
    yield from emails_of("-", sys.stdin.buffer)
    # A mail server whose pipe is closed early takes it for a failure.
    while sys.stdin.buffer.read(_CHUNK):
        pass


def _report(tally: Tally, *, as_json: bool) -> None:
    if as_json:
        tell(
            {
                "emails": tally.emails,
                "effects": {effect.value: tally.effects[effect.value] for effect in EFFECTS},
                "known_or_foreign": tally.known_or_foreign,
                "later": tally.later,
                "unreadable": [{"file": each.name, "error": each.error} for each in tally.unreadable],
            }
        )
        return
    show(("file", "error"), [(each.name, each.error) for each in tally.unreadable])
    parts = [f"{words} {tally.effects[effect.value]:,}" for effect, words in EFFECTS.items()]
    say(
        f"Emails read: {tally.emails:,}; {'; '.join(parts)}; "
        f"known already or not about our emails {tally.known_or_foreign:,}; to be read again {tally.later:,}."
    )
