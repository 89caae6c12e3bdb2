"""Notifier in another application: its users, and emails to them, are rows in its own transactions.

    notifier = Notifier()

    @notifier.user(User, watch=("email", "name"))
    def fields(user): return UserFields(id=user.id, email=user.email, name=user.name)

    @notifier.on(User, "insert")
    def welcomed(user): notifier.send("verification", to=user)

    notifier.init_app(app, session=db.session)

Importing it loads neither Flask and its extensions nor Celery.
"""

from notifier.accounts.erasure import ErasureError
from notifier.database.base import Base
from notifier.embedding.application import Notifier
from notifier.embedding.errors import (
    DataRefused,
    DuringFlush,
    EmbeddingError,
    Erased,
    KeyConflict,
    ManyGone,
    NoAddress,
    NoSession,
    SetupError,
    UnknownKind,
    UnknownUser,
)
from notifier.entries.fields import OURS, UserFields
from notifier.security.identity import OperatorIdentity

__all__ = [
    "OURS",
    "Base",
    "DataRefused",
    "DuringFlush",
    "EmbeddingError",
    "Erased",
    "ErasureError",
    "KeyConflict",
    "ManyGone",
    "NoAddress",
    "NoSession",
    "Notifier",
    "OperatorIdentity",
    "SetupError",
    "UnknownKind",
    "UnknownUser",
    "UserFields",
]
