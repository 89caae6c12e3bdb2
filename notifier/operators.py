"""Operators: the people who may sign in to the admin."""

from argon2 import PasswordHasher
from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier import clock
from notifier.addresses import parse_address
from notifier.models import Operator, Role

#: Length is what makes a password hold (ASVS 6.2.1).
MIN_PASSWORD = 15

#: argon2id with the library's defaults, which follow RFC 9106.
_hasher = PasswordHasher()


class OperatorError(ValueError):
    """The operator cannot be made; the message says why."""


def create(session: Session, *, email: str, password: str, role: Role) -> Operator:
    """Add an operator. The caller commits. Raises OperatorError or AddressError."""
    address = parse_address(email)
    if len(password) < MIN_PASSWORD:
        raise OperatorError(f"the password needs {MIN_PASSWORD} characters or more")
    if session.scalars(select(Operator).where(Operator.identity_key == address.identity_key)).one_or_none():
        raise OperatorError("there is an operator with this address already")
    operator = Operator(
        email=address.envelope,
        identity_key=address.identity_key,
        password_hash=_hasher.hash(password),
        role=role.value,
        created_at=clock.now(),
    )
    session.add(operator)
    session.flush()
    return operator
