"""Define the base of all row classes. It depends on SQLAlchemy alone, so rows work in any session."""

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

#: Names of constraints, the same on both databases, so that a migration can drop them by name.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

#: The table with the applied migration. An application that embeds us uses Alembic's default name for its own.
VERSION_TABLE = "notifier_version"


class Base(DeclarativeBase):
    """The base of the tables of notifier, whose names all begin with `notifier_`."""

    metadata = MetaData(naming_convention=NAMING)
