"""Files that one save of the campaign form enters: `python -m bench.form_files`.

An operator who is signed in opens the form of a stored campaign and presses Save. Every function of `notifier/` that
runs while the request is answered is noted by its file. What every request and every row needs (models, database,
clock) is left out, and so is code that runs while modules are imported. Two numbers are printed: for the whole request,
with middleware, session, roles and headers, and for the way from the view of the form on (*).
"""

import argparse
import json
import logging
import sys
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType, FrameType

import structlog
from flask import Flask
from rich.console import Console

import notifier
from bench.servers import SECRET
from notifier import clock
from notifier.app import create_app
from notifier.config.settings import Settings
from notifier.extensions import db
from notifier.models import Role
from notifier.operators import roster
from notifier.testing.factories import make_campaign
from notifier.testing.forms import fields_of
from notifier.testing.operators import PASSWORD, Desk

HERE = Path(notifier.__file__).resolve().parent

#: What every request and every row needs.
LEFT_OUT = ("models/", "database/", "extensions.py", "clock.py")

EMAIL = "editor@example.com"

#: What is changed before Save is pressed.
CHANGES: dict[str, dict[str, str]] = {
    "title": {"title": "Another title"},
    "title and rate": {"title": "Another title", "rate": "2.5"},
    "title and time": {"title": "A third title", "at": "10:15"},
    "everything": {
        "title": "Some", "at": "11:45", "start_at": "2027-01-01T00:00", "locales": "de", "rate": "1.5",
        "quiet_from": "22:00", "quiet_to": "07:00", "lifetime-number": "2", "settings-again": "yes",
    },
}  # fmt: skip

console = Console(highlight=False)


class Entered:
    """The files of notifier/ whose functions ran, in the order in which they were first entered."""

    def __init__(self, view: str) -> None:
        """`view`: the qualified name of the view of the form ends with this."""
        self._view = view
        self.files: list[str] = []
        #: From the moment on at which the view began until it returned.
        self.own: list[str] = []
        self._inside: FrameType | None = None

    def note(self, frame: FrameType, event: str, _: object) -> None:
        """For `sys.setprofile`."""
        if event == "return" and frame is self._inside:
            self._inside = None
        name = _file_of(frame.f_code)
        if event != "call" or name is None:
            return
        if self._inside is None and frame.f_code.co_qualname.endswith(self._view):
            self._inside = frame
        for files in (self.files, self.own) if self._inside else (self.files,):
            if name not in files:
                files.append(name)


@cache
def _file_of(code: CodeType) -> str | None:
    """The file of a function below notifier/; None if it does not count."""
    path = Path(code.co_filename)
    if HERE not in path.parents or code.co_name == "<module>":
        return None
    name = path.relative_to(HERE).as_posix()
    return None if name.startswith(LEFT_OUT) else name


def saves(app: Flask) -> dict[str, Entered]:
    """Sign in, open the form of a campaign, change something, save it. Raise AssertionError if it was not saved.

    Return the files by what was changed; each change is made to a campaign of its own.
    """
    with app.app_context():
        db.create_all()
        roster.create(db.session(), email=EMAIL, password=PASSWORD, role=Role.editor)
        db.session.commit()
        soon = clock.now() + timedelta(days=2)
        # The first one is for what runs only once in a process, which is no part of a save.
        names = ["first", *CHANGES]
        pks = [make_campaign(f"c{place}", next_slot=soon, next_run_at=soon).id for place, _ in enumerate(names)]
    desk = Desk(app)
    assert desk.sign_in(EMAIL).status_code == 303
    changes = [{"title": "Warm", "rate": "1.25"}, *CHANGES.values()]
    found = [_saved(desk, pk, changed) for pk, changed in zip(pks, changes, strict=True)]
    return dict(zip(CHANGES, found[1:], strict=True))


def _saved(desk: Desk, pk: int, changed: dict[str, str]) -> Entered:
    path = f"/admin/campaigns/{pk}/edit"
    fields = fields_of(desk.get(path).text)
    for name, value in changed.items():
        fields[name] = value
    entered = Entered("Editing.save")
    sys.setprofile(entered.note)
    try:
        answer = desk.post(path, fields)
    finally:
        sys.setprofile(None)
    assert answer.status_code == 303, answer.text
    return entered


def main() -> None:
    """Print the files and how many they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="for programs")
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with TemporaryDirectory() as folder:
        settings = Settings(
            notifier_env="test",
            public_url="http://notifier.test",
            secret_keys=[SECRET],
            database_url=f"sqlite:///{folder}/notifier.db",
            notifier_data_dir=Path(folder),
        )
        found = saves(create_app(settings))
    if asked.json:
        console.print_json(
            json.dumps({what: {"request": each.files, "view": each.own} for what, each in found.items()})
        )
        return
    for what, each in found.items():
        console.print(
            f"[bold]{what}[/]: {len(each.files)} files in the whole request, {len(each.own)} from the view on"
        )
        for name in each.files:
            console.print(f"  {'*' if name in each.own else ' '} {name}")


if __name__ == "__main__":
    main()
