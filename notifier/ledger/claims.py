"""Claim rows for sending; a batch is claimed in one statement."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast

from sqlalchemy import ColumnElement, Connection, bindparam, case, exists, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from notifier.database.keys import among, only_by_key
from notifier.mail.addresses import identity_of
from notifier.models import CampaignRun, Notification, RunState, Status, Suppression, User


class Recipient(NamedTuple):
    """The user's data that an email may use, as of the moment of the claim."""

    id: int
    identity_key: str
    #: Empty until the address is confirmed: see _NAME.
    display_name: str
    locale: str
    timezone: str
    verified_at: datetime | None
    link_nonce: str
    #: Why this address is suppressed; None if it is not.
    suppressed: str | None = None

    def __repr__(self) -> str:
        return f"Recipient(id={self.id})"


class Claimed(NamedTuple):
    """A claimed row as plain values, which need no session. `settle` must name the token `claim`.

    A campaign can make a million of them. It is a tuple because that takes a fifth of the time of a frozen dataclass.
    """

    id: int
    claim: int
    kind: str
    recipient: str
    dedupe_key: str
    params: dict[str, Any]
    on_unknown: str
    attempts: int
    unknowns: int
    deadline: datetime | None
    created_at: datetime
    campaign_id: int | None
    #: The campaign run that planned it; None for emails that a person's own action caused.
    run_id: int | None
    #: None if the account was deleted.
    user: Recipient | None
    #: The version of its content (ContentVersion); None for the template files of its kind.
    content_id: int | None = None
    #: Number of processes that crashed while they rendered it.
    deaths: int = 0
    #: The name of the key that signs its id.
    id_key: str | None = None
    #: When it was due at first; None: when it was added.
    owed_at: datetime | None = None

    @property
    def private(self) -> tuple[str, ...]:
        """Return the personal values that error messages may quote and that must be redacted before storage."""
        return (self.recipient,) if self.user is None else (self.recipient, self.user.display_name)

    def __repr__(self) -> str:
        # Without the address and the parameters, because this may be logged.
        return f"Claimed(id={self.id}, claim={self.claim}, kind={self.kind!r})"


#: A limit on deaths that is never reached.
ANY_DEATHS = 2**31 - 1

_N = cast("Any", Notification.__table__).c
_U = cast("Any", User.__table__).c
_R = cast("Any", CampaignRun.__table__).c
#: Rows of runs in these states must not be sent now.
_HALTED = (RunState.paused.value, RunState.cancelled.value)
_CLAIMED = (
    _N.user_id,
    _N.content_id,
    _N.deaths,
    _N.id_key,
    _N.owed_at,
    _N.id,
    _N.claims,
    _N.kind,
    _N.recipient,
    _N.dedupe_key,
    _N.params,
    _N.on_unknown,
    _N.attempts,
    _N.unknowns,
    _N.deadline,
    _N.created_at,
    _N.campaign_id,
    _N.run_id,
)
#: The place of the id: before it, what Claimed has behind the user.
_ID = 5
#: Until an address is confirmed, a stranger may have typed the name: it could be an advertisement, a link, a phone
#: number. So no email contains it.
_NAME = case((_U.verified_at.is_not(None), _U.display_name), else_="")
_USER = (_U.id, _U.identity_key, _NAME, _U.locale, _U.timezone, _U.verified_at, _U.link_nonce)


def claim(
    session: Session,
    pks: Sequence[int],
    *,
    now: datetime,
    lease: timedelta,
    owner: str,
    lease_from: datetime | None = None,
    alone_from: int = ANY_DEATHS,
    id_keys: Sequence[str] = (),
) -> list[Claimed]:
    """Claim these rows for one attempt each. Return the rows that this call won, in the order of `pks`.

    `lease_from` is this moment by the database's clock, which all hosts share; `now` if None. Rows on which at
    least `alone_from` processes crashed are skipped: `due_alone` finds them.

    `id_keys` are the names of the keys that can sign an email's id, the newest last. A row keeps the key of its first
    claim, so that every attempt has the same id. Only if that key is gone does it take the newest one.

    Rows are also skipped if they are not yet due, already claimed, already settled, past their deadline, deleted, or
    part of a paused or cancelled run. Of several callers, exactly one wins each row, and none waits for another. The
    caller commits.
    """
    connection = session.connection()
    values = {"b_now": now, "b_lease": (lease_from or now) + lease, "b_owner": owner, "b_alone": alone_from}
    values |= {"b_id_keys": list(id_keys), "b_id_key": id_keys[-1] if id_keys else None}
    won = connection.execute(_CLAIM[_postgres(connection)], values | _keys(connection, pks)).all()
    claimed = {row[_ID]: row for row in won}
    return _complete(connection, [claimed[pk] for pk in pks if pk in claimed])


def mark_redirected(session: Session, pks: Sequence[int]) -> None:
    """Store that staging sends these claims to another address: before they go out, so a crash loses nothing.

    The next claim of the row forgets it. The caller commits.
    """
    statement = update(Notification).where(among(session, Notification.id, pks)).values(redirected=True)
    session.execute(statement.execution_options(synchronize_session=False))


def due_alone(session: Session, pks: Sequence[int], *, now: datetime, alone_from: int) -> list[int]:
    """Return the keys of the rows that are due and must be rendered alone, because processes crashed on them."""
    waits = (only_by_key(_N.status) == Status.pending, _N.next_attempt_at <= now, _N.deaths >= alone_from)
    return list(session.scalars(select(_N.id).where(among(session, _N.id, pks), *waits)))


def held_by(session: Session, owner: str) -> list[Claimed]:
    """Return the rows that a sending process holds."""
    held = select(*_CLAIMED).where(_N.status == Status.sending, _N.claimed_by == owner)
    connection = session.connection()
    return _complete(connection, connection.execute(held).all())


def load(session: Session, pks: Sequence[int]) -> list[Claimed]:
    """Return these rows as plain values without claiming them: to show, never to settle."""
    rows = select(*_CLAIMED).where(_N.id.in_(pks))
    connection = session.connection()
    return _complete(connection, connection.execute(rows).all())


def _complete(connection: Connection, rows: Sequence[Any]) -> list[Claimed]:
    ids = {row[0] for row in rows} - {None}
    found = connection.execute(_RECIPIENTS[_postgres(connection)], _keys(connection, list(ids))) if ids else ()
    users = {row[0]: Recipient._make(row) for row in found}
    claimed = [Claimed._make((*row[_ID:], users.get(row[0]), *row[1:_ID])) for row in rows]
    moved = [
        row
        for row in claimed
        if row.user is not None and row.recipient.lower() != row.user.identity_key and _is_elsewhere(row, row.user)
    ]
    return _judged_by_recipient(connection, claimed, moved) if moved else claimed


def _is_elsewhere(row: Claimed, user: Recipient) -> bool:
    """Return whether this email goes to an address other than the account's current one."""
    return identity_of(row.recipient) != user.identity_key


def _judged_by_recipient(connection: Connection, claimed: list[Claimed], moved: list[Claimed]) -> list[Claimed]:
    """Set `suppressed` of the `moved` rows by their own recipient address, because suppressions belong to addresses."""
    keys = {row.id: identity_of(row.recipient) for row in moved}
    columns = (Suppression.identity_key, Suppression.reason)
    found = connection.execute(select(*columns).where(Suppression.identity_key.in_(set(keys.values()))))
    reasons = {row.identity_key: row.reason for row in found}

    def judged(row: Claimed) -> Claimed:
        if row.id not in keys or row.user is None:
            return row
        return row._replace(user=row.user._replace(suppressed=reasons.get(keys[row.id])))

    return [judged(row) for row in claimed]


# The statements are built once. On Postgres, keys are passed as one array: the SQL never changes, so it is compiled and
# planned once. They use tables and not classes, because the ORM would cost more time than the rows themselves.


def _postgres(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"


def _keys(connection: Connection, pks: Sequence[int]) -> dict[str, Any]:
    return {"b_keys": list(pks)}


def _among(key: ColumnElement[Any], *, postgres: bool, name: str = "b_keys") -> ColumnElement[bool]:
    if postgres:
        return key == func.any(bindparam(name, type_=ARRAY(key.type)))
    return key.in_(bindparam(name, expanding=True))


def _claiming(*, postgres: bool) -> Any:
    moment = bindparam("b_now", type_=_N.lease_until.type)
    due = select(_N.id).where(
        _among(_N.id, postgres=postgres),
        only_by_key(_N.status) == Status.pending.value,
        _N.next_attempt_at <= moment,
        _N.deaths < bindparam("b_alone", type_=_N.deaths.type),
        (_N.deadline.is_(None)) | (_N.deadline > moment),
        _N.run_id.is_(None) | ~exists().where(_N.run_id == _R.id, _R.state.in_(_HALTED)),
    )
    # SQLite omits the clause, because the transaction holds the only write lock. On Postgres `key_share` makes it
    # FOR NO KEY UPDATE, which does not conflict with transactions that add rows with a foreign key to this one.
    due = due.with_for_update(skip_locked=True, key_share=True)
    values = {
        "status": Status.sending.value,
        "claims": _N.claims + 1,
        "lease_until": bindparam("b_lease", type_=_N.lease_until.type),
        "claimed_by": bindparam("b_owner", type_=_N.claimed_by.type),
        "redirected": False,
        "id_key": case(
            (_among(_N.id_key, postgres=postgres, name="b_id_keys"), _N.id_key),
            else_=bindparam("b_id_key", type_=_N.id_key.type),
        ),
    }
    return update(Notification.__table__).where(_N.id.in_(due)).values(values).returning(*_CLAIMED)  # type: ignore[arg-type]


def _reading(*, postgres: bool) -> Any:
    joined = select(*_USER, Suppression.reason).outerjoin(Suppression, Suppression.identity_key == _U.identity_key)
    return joined.where(_among(_U.id, postgres=postgres))


_CLAIM = {postgres: _claiming(postgres=postgres) for postgres in (False, True)}
_RECIPIENTS = {postgres: _reading(postgres=postgres) for postgres in (False, True)}
