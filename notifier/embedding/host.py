"""Host: what our own Flask application knows of the application that embeds it. All of it is plain callables."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from notifier.emails import EmailKind
from notifier.entries.commits import Enqueue
from notifier.security.identity import OperatorIdentity

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from celery import Celery
    from click import Group
    from flask import Flask

#: Who makes the request of this environ, as the host says; None: the host lets this person not in.
AskOperator = Callable[["WSGIEnvironment"], OperatorIdentity | None]


@dataclass(frozen=True, kw_only=True)
class Host:
    """The application that embeds ours."""

    #: The very engine of the host's users: a second one for `sqlite://` would be another database.
    engine: Engine
    #: The host's own kinds of email, by name.
    kinds: Mapping[str, EmailKind]
    #: Label and hint of the categories that the host named.
    categories: Mapping[str, tuple[str, str]]
    #: Folders with `emails/<kind>/` of these kinds.
    templates: Sequence[Path]
    #: The path below which our pages are mounted, such as `/mail`; empty if they are not.
    mount: str
    #: Pushes the host's application context.
    context: Callable[[], AbstractContextManager[Any]]
    #: None: the host decides about no operators.
    operator: AskOperator | None
    #: Confirms the address of a person (external id, identity key, nonce of the link), in a transaction of the host's.
    #: Returns False if there is no such person any more.
    confirm: Callable[[str, str, str], bool]
    #: The host's Celery, which stays the current one in our workers.
    celery: "Celery | None"


@dataclass(frozen=True, kw_only=True)
class Built:
    """Our own application, built for a host, and what the writer uses of it."""

    app: "Flask"
    celery: "Celery"
    #: All kinds, by name, with the settings of the application.
    kinds: Mapping[str, EmailKind]
    #: SECRET_KEYS, from oldest to newest.
    secret_keys: Sequence[str]
    enqueue: Enqueue
    #: Returns the link to the preferences of the person with this key and identity key; None: no pages are mounted.
    preferences_link: Callable[[int, str], str] | None
    #: Encrypts the data of secret kinds with SECRET_KEYS.
    seal: Callable[[str], str]
    #: The age at which the sweep enqueues a row as well.
    grace: timedelta
    #: Whether addresses of this machine or network are usable.
    allow_local: bool
    #: Builds the commands of this application, which may ask for the given Notifier.
    commands: "Callable[[Any], Group]"
