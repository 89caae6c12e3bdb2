"""Forms that met a session that was over: what was typed is kept, sealed, until its operator has signed in again."""

import json
import secrets
import zlib
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from notifier.models import KeptForm
from notifier.operators.sessions import digest
from notifier.security.sealing import Sealer, SealError

#: How long a form waits for its operator.
KEEP = timedelta(hours=24)

#: Forms of one operator that wait at a time; the oldest go first.
MOST = 5

#: Characters of a form as it is stored. No request is larger, and texts become shorter.
MAX_SEALED = 512 * 1024

Fields = Sequence[tuple[str, str]]


def keep(session: Session, operator_id: int, path: str, fields: Fields, *, sealer: Sealer, now: datetime) -> str:
    """Keep the fields of the form at `path` for this operator alone. The caller commits.

    Return the key to them, of which the row has the digest only; empty if the form is too large to be kept.
    """
    packed = zlib.compress(json.dumps([path, list(fields)]).encode())
    sealed = sealer.seal(b64encode(packed).decode())
    if len(sealed) > MAX_SEALED:
        return ""
    key = secrets.token_urlsafe(24)
    mine = select(KeptForm.id).where(KeptForm.operator_id == operator_id).order_by(KeptForm.id.desc())
    over = list(session.scalars(mine.offset(MOST - 1)))
    session.execute(delete(KeptForm).where(KeptForm.id.in_(over) | (KeptForm.created_at <= now - KEEP)))
    session.add(KeptForm(operator_id=operator_id, key_hash=digest(key), sealed=sealed, created_at=now))
    return key


def load(
    session: Session, operator_id: int, path: str, key: str, *, sealer: Sealer, now: datetime
) -> list[tuple[str, str]] | None:
    """Return the fields that were kept for this operator and this path; None if there are none."""
    row = session.scalars(
        select(KeptForm).where(
            KeptForm.key_hash == digest(key), KeptForm.operator_id == operator_id, KeptForm.created_at > now - KEEP
        )
    ).one_or_none()
    if row is None:
        return None
    try:
        stored_path, fields = json.loads(zlib.decompress(b64decode(sealer.open(row.sealed))))
    except SealError:
        return None  # the keys were changed meanwhile
    return [(name, value) for name, value in fields] if stored_path == path else None
