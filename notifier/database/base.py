"""Base: what every row class descends from. It knows SQLAlchemy alone, so rows can live in any session."""

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

#: Constraint names that both databases share, so that a migration can name what it drops.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The tables of notifier. Every name in the database begins with `notifier_`."""

    metadata = MetaData(naming_convention=NAMING)
