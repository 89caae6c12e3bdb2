"""`notifier campaign list`: the command that operators type most, so it imports little."""

from typing import Any

import click

from notifier.campaigns.overview import overview
from notifier.cli.options import as_json_option
from notifier.cli.read_only import Reading, with_session
from notifier.cli.showing import on_one_line, say, show, tell
from notifier.emails import registry_of
from notifier.models import RunState


@click.command("list")
@as_json_option
@with_session
def list_(reading: Reading, as_json: bool) -> None:
    """List all campaigns."""
    rows = overview(reading.session, registry_of(reading.settings))
    if as_json:
        tell(rows, default=str)
        return
    show(("name", "kind", "state", "schedule", "next", "last run"), [_row(row) for row in rows])
    for row in rows:
        last = row["last_run"]
        if last and last["state"] == RunState.paused:
            resume = f"notifier campaign resume {row['name']} --run {last['id']}"
            why = on_one_line(last["reason"] or "")
            say(f"Run {last['id']} of {row['name']} is paused: {why}. To resume it: {resume}")


def _row(row: dict[str, Any]) -> tuple[object, ...]:
    last = f"{row['last_run']['for']} {row['last_run']['state']}" if row["last_run"] else ""
    return row["name"], row["kind"], row["state"], row["schedule"], row["next"], last
