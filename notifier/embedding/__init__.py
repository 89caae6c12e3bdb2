"""Notifier in another application: its users, and emails to them, are rows in its own transactions.

    notifier = Notifier()

    @notifier.user(User, watch=("email", "name"))
    def fields(user): return UserFields(id=user.id, email=user.email, name=user.name)

    notifier.init_app(app, session=db.session)

Importing it loads no Flask extension.
"""

from notifier.database.base import Base
from notifier.embedding.application import Notifier
from notifier.embedding.errors import (
    EmbeddingError,
    SetupError,
)
from notifier.embedding.fields import OURS, UserFields

__all__ = ["OURS", "Base", "EmbeddingError", "Notifier", "SetupError", "UserFields"]
