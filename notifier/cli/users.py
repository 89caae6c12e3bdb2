"""`notifier users check | sync | import`: people here, and the users of an application that embeds us."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from notifier.cli.commands import USERS
from notifier.cli.lazy import LazyGroup, load
from notifier.cli.main import Root
from notifier.cli.options import as_json_option
from notifier.cli.showing import plain, progress, say, show, tell

if TYPE_CHECKING:
    from notifier.embedding import Notifier
    from notifier.embedding.differences import Found, UserCheck

NO_APPLICATION = "There is no application with users of its own: run `flask notifier users {name}` in it."

_DESCRIPTIONS = {
    "missing": "not here yet",
    "gone": "here, but no longer in the application",
    "refused": "an id or attributes that cannot be stored: correct them in the application",
}


@click.group(cls=LazyGroup, lazy=USERS)
def users() -> None:
    """Import people, or compare them with the users of the application that embeds notifier."""


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    examples = click.option(
        "--examples", type=click.IntRange(0, 10_000), default=20, show_default=True,
        help="How many ids of each difference are shown.",
    )  # fmt: skip
    addresses = click.option("--addresses", is_flag=True, help="Show addresses beside the ids.")
    return examples(addresses(as_json_option(command)))


@click.command("check")
@_options
@click.pass_context
def check(context: click.Context, examples: int, addresses: bool, as_json: bool) -> None:
    """Compare all users with the people here. Changes nothing.

    Bulk statements and raw SQL in the application are not seen until then. Exits with 1 if anything differs.
    """
    notifier = _notifier_of(context)
    with progress("comparing users") as told:
        found = notifier.check_users(examples=examples, addresses=addresses, on_progress=told)
    _tell(found, as_json)
    if not found.is_clean:
        if not as_json:
            say("Nothing was changed. To mend it, run: flask notifier users sync")
        context.exit(1)


@click.command("sync")
@click.option("--allow-many", is_flag=True, help="Also if more than a tenth of the users seem to be gone.")
@_options
@click.pass_context
def sync(context: click.Context, examples: int, addresses: bool, as_json: bool, allow_many: bool) -> None:
    """Make the people here equal to the users of the application.

    It may run beside the application, and be interrupted: what was mended stays. People whom the application no longer
    has are kept, but campaigns no longer reach them; erased people stay erased. Exits with 1 if users are left whose id
    or attributes cannot be stored. A dry run is `users check`.
    """
    notifier = _notifier_of(context)
    with progress("comparing users") as told:
        found = _synced(notifier, examples=examples, addresses=addresses, allow_many=allow_many, on_progress=told)
    _tell(found, as_json)
    if not as_json:
        say(f"Written: {found.written:,}. Detached: {found.detached:,}.")
    if found.refused.count:
        context.exit(1)


def _synced(notifier: "Notifier", **options: Any) -> "UserCheck":
    many_gone: type[Exception] = load("notifier.embedding:ManyGone")
    try:
        return notifier.sync_users(**options)
    except many_gone as error:
        raise click.ClickException(str(error)) from None


def _notifier_of(context: click.Context) -> "Notifier":
    root = context.find_object(Root)
    if root is None or root.host is None:
        raise click.ClickException(NO_APPLICATION.format(name=context.info_name))
    return root.host()


def _tell(found: "UserCheck", as_json: bool) -> None:
    if as_json:
        tell(plain(found) | {"differences": found.differences})
        return
    rows = [(_DESCRIPTIONS[name], each) for name in _DESCRIPTIONS if (each := getattr(found, name)).count]
    rows += [(f"another {name}", each) for name, each in sorted(found.columns.items())]
    show(("difference", "people", "the first ids"), [(name, each.count, _first(each)) for name, each in rows])
    found_here = "no difference" if found.is_clean else _counted(found.differences, "difference")
    say(f"Compared {_counted(found.users, 'user')} of the application with the people here: {found_here}.")
    if found.erased:
        say(f"Erased here, and left as they are: {_counted(found.erased, 'user')}.")


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _first(found: "Found") -> str:
    return ", ".join(f"{each.id} ({each.email})" if each.email is not None else each.id for each in found.first)
