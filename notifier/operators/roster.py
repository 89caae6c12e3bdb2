"""Operators, their roles and passwords. Every change is recorded in the audit log and ends open sessions."""

import secrets
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier import clock
from notifier.mail.addresses import AddressError, parse_address
from notifier.models import Operator, Role
from notifier.operators import audit_log, sessions
from notifier.operators.audit_log import COMMAND_LINE, Actor

#: Lengths in characters: length makes a password strong (ASVS 6.2.1), and longer input than the maximum is not hashed.
MIN_PASSWORD, MAX_PASSWORD = 15, 1000

#: argon2id with the library's defaults, which follow RFC 9106.
_hasher = PasswordHasher()


class OperatorError(ValueError):
    """The change of an operator is not possible; the message says why."""


def create(session: Session, *, email: str, password: str, role: Role, by: Actor = COMMAND_LINE) -> Operator:
    """Add an operator. The caller commits. Raise OperatorError or AddressError."""
    address = parse_address(email)
    check_new(password)
    if session.scalars(select(Operator).where(Operator.identity_key == address.identity_key)).one_or_none():
        raise OperatorError("an operator with this address already exists")
    operator = Operator(
        email=address.envelope,
        identity_key=address.identity_key,
        password_hash=_hasher.hash(password),
        role=role.value,
        created_at=clock.now(),
    )
    session.add(operator)
    session.flush()
    _record(session, by, "operator.created", operator, after={"role": operator.role})
    return operator


def find(session: Session, email: str) -> Operator:
    """Return the operator with this address. Raise OperatorError or AddressError."""
    operator = by_address(session, email)
    if operator is None:
        raise OperatorError("there is no operator with this address")
    return operator


def by_address(session: Session, email: str) -> Operator | None:
    """Return the operator with this address; None if there is none. Raise AddressError."""
    key = parse_address(email).identity_key
    return session.scalars(select(Operator).where(Operator.identity_key == key)).one_or_none()


def any_exists(session: Session) -> bool:
    """Return whether any operator exists."""
    return session.scalar(select(Operator.id).limit(1)) is not None


def set_role(
    session: Session, operator: Operator, role: Role, *, by: Actor = COMMAND_LINE, force: bool = False
) -> None:
    """Change the operator's role. The caller commits. The role that they have already changes nothing.

    Raise OperatorError if no admin who can sign in were left, unless `force`.
    """
    if operator.role == role.value:
        return
    if role is not Role.admin and not force:
        _spare_last_admin(session, operator)
    before = {"role": operator.role}
    operator.role = role.value
    sessions.end_all(session, operator.id)
    _record(session, by, "operator.role_changed", operator, before=before, after={"role": operator.role})


def set_active(
    session: Session, operator: Operator, active: bool, *, by: Actor = COMMAND_LINE, force: bool = False
) -> None:
    """Enable the operator, or disable them from the next request on. The caller commits. A repeat changes nothing.

    Raise OperatorError if no admin who can sign in were left, unless `force`.
    """
    if operator.active == active:
        return
    if not active and not force:
        _spare_last_admin(session, operator)
    before = {"active": operator.active}
    operator.active = active
    sessions.end_all(session, operator.id)
    action = "operator.enabled" if active else "operator.disabled"
    _record(session, by, action, operator, before=before, after={"active": active})


def _spare_last_admin(session: Session, operator: Operator) -> None:
    """Raise OperatorError if this is the only admin who can sign in.

    The rows of all admins are locked, so that two of them cannot take the role from each other at once.
    """
    admins = select(Operator).where(Operator.role == Role.admin.value).order_by(Operator.id).with_for_update()
    present = session.scalars(admins.execution_options(populate_existing=True)).all()
    able = {each.id for each in present if each.active and not each.invited}
    if able == {operator.id}:
        raise OperatorError("this is the last admin who can sign in: make another operator an admin first")


def everyone(session: Session) -> Sequence[Operator]:
    """Return all operators, by address."""
    return session.scalars(select(Operator).order_by(Operator.email)).all()


def invite(session: Session, *, email: str, role: Role, by: Actor = COMMAND_LINE) -> Operator:
    """Add an operator who has no password yet. The caller commits. Raise OperatorError or AddressError."""
    # A password that is known to no one: checking it takes as long as for all others, so a sign-in tells nothing.
    operator = create(session, email=email, password=secrets.token_urlsafe(48), role=role, by=by)
    operator.invited = True
    return operator


def withdraw(session: Session, operator: Operator, *, by: Actor = COMMAND_LINE) -> None:
    """Delete an operator whose invitation is still open. The caller commits. Raise OperatorError."""
    if not operator.invited:
        raise OperatorError("this operator has accepted the invitation: disable the operator instead")
    _record(session, by, "operator.invitation_revoked", operator, before={"role": operator.role})
    session.delete(operator)


def change_password(
    session: Session, operator: Operator, password: str, *, by: Actor = COMMAND_LINE, keep: str | None = None
) -> None:
    """Set a new password and end all sessions except that of the token `keep`. The caller commits."""
    check_new(password)
    operator.password_hash = _hasher.hash(password)
    operator.invited = False
    sessions.end_all(session, operator.id, keep=keep)
    _record(session, by, "operator.password_changed", operator)


def authenticate(session: Session, email: str, password: str) -> Operator | None:
    """Return the active operator with this address and password; None if there is none.

    It takes as long for an unknown address as for a known one. The caller commits: the hash may be renewed.
    """
    try:
        operator = by_address(session, email)
    except AddressError:
        operator = None
    right = check_password(operator, password)
    if operator is None or not right or not operator.active:
        return None
    if _hasher.check_needs_rehash(operator.password_hash):
        operator.password_hash = _hasher.hash(password)
    return operator


def check_password(operator: Operator | None, password: str) -> bool:
    """Return whether this is the operator's password.

    Without an operator it is False, and takes as long to find out.
    """
    no_password = _no_password()
    if len(password) > MAX_PASSWORD:
        password = ""
    try:
        _hasher.verify(operator.password_hash if operator else no_password, password)
    except (Argon2Error, InvalidHashError):
        return False
    return operator is not None


@cache
def _no_password() -> str:
    """Return a hash to verify against for an unknown address, which must take as long as a known one."""
    return _hasher.hash("an address that is no operator's")


def check_new(password: str) -> None:
    """Raise OperatorError if this cannot be a new password."""
    if len(password) < MIN_PASSWORD:
        raise OperatorError(f"the password needs {MIN_PASSWORD} characters or more")
    if len(password) > MAX_PASSWORD:
        raise OperatorError(f"the password may have {MAX_PASSWORD} characters at most")


def _record(
    session: Session,
    by: Actor,
    action: str,
    operator: Operator,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    audit_log.record(session, by, action, object_type="operator", object_id=operator.id, before=before, after=after)
