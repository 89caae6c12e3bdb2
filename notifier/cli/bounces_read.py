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
from notifier.cli.showing import on_one_line, say, show, tell
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
        except (Misconfigured, NoInput):
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


class NoInput(click.ClickException):
    """What is to be read is not there, or is something else. Trying again does not help."""

    exit_code = os.EX_NOINPUT


class _Read(click.Command):
    """End with EX_USAGE for wrong words, as programs do that mail servers run."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.exit_code = os.EX_USAGE  # type: ignore[misc]
            raise


@click.command("read", cls=_Read)
@click.argument("source", required=False, type=click.Choice(["-"]), metavar="[-]")
@click.option(
    "--maildir",
    type=click.Path(path_type=Path),
    help="Read new/ of this Maildir, and move each email to cur/ when it is stored.",
)
@click.option(
    "--mbox",
    type=click.Path(path_type=Path),
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
    again, with 66 (EX_NOINPUT) if there is no such Maildir or mbox, and with 78 (EX_CONFIG) if the server of a
    mailbox refuses.
    """
    if sum(map(bool, (source, maildir, mbox, imap))) != 1:
        raise click.UsageError("Give one of --maildir, --mbox, --imap and -.")
    if imap is None and (keep or move_to):
        raise click.UsageError("--keep and --move-to need --imap.")
    parts = services_of(app)
    reader = Reader(db.session, parts.intake)
    if maildir is not None:
        _check(all((maildir / each).is_dir() for each in ("new", "cur")), f"{maildir} is no Maildir with new/ and cur/")
        tally = reader.read(new_in(maildir), envelope_to=recipient, done=partial(put_away, maildir))
    elif mbox is not None:
        _check(mbox.is_file() and os.access(mbox, os.R_OK), f"{mbox} is no file that can be read")
        tally = reader.read(emails_in(mbox), envelope_to=recipient)
    elif imap is not None:
        tally = read_mailbox(reader, parts.settings, imap, keep=keep, move_to=move_to, recipient=recipient)
    else:
        tally = reader.read(_standard_input(), envelope_to=recipient)
    _report(tally, as_json=as_json)
    # What is to be read again stays where it is: in a Maildir and in a mailbox the next run finds it.
    if tally.unreadable or (tally.later and maildir is None and imap is None):
        _exit(os.EX_TEMPFAIL)


def _check(is_there: bool, what_is_wrong: str) -> None:
    if not is_there:
        raise NoInput(f"{on_one_line(what_is_wrong)}.")


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
    numbers = {words: tally.effects[effect.value] for effect, words in EFFECTS.items()}
    numbers |= {"known already or not about our emails": tally.known_or_foreign, "to be read again": tally.later}
    parts = [f"Emails read: {tally.emails:,}", *(f"{words} {number:,}" for words, number in numbers.items() if number)]
    say(f"{'; '.join(parts)}.")
