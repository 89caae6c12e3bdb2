"""Flask-SQLAlchemy, made once and bound to an application in `notifier.wiring`."""

from collections.abc import Mapping
from typing import Final

from flask import current_app
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Engine

from notifier.database.base import Base

#: The key in an application's configuration under which it has the engine of the application that embeds it.
HOSTS_ENGINE: Final = "NOTIFIER_HOSTS_ENGINE"


class Database(SQLAlchemy):
    """Flask-SQLAlchemy, whose sessions use the engine of an embedding application if there is one."""

    @property
    def engines(self) -> Mapping[str | None, Engine]:
        """Return the engines of the application whose context is pushed: its own, or the one of its host."""
        hosts: Engine | None = current_app.config.get(HOSTS_ENGINE)
        return super().engines if hosts is None else {None: hosts}


#: Engines and sessions of our own application. Row classes descend from `Base` and do not need it.
db = Database(metadata=Base.metadata)
