"""The second factor: codes of an authenticator app (RFC 6238), and recovery codes for when it is lost."""

import hmac
import secrets
from datetime import datetime
from typing import Any, cast

import pyotp
from sqlalchemy import CursorResult, delete, func, or_, select, update
from sqlalchemy.orm import Session

from notifier.models import Operator, RecoveryCode
from notifier.operators import audit_log, sessions
from notifier.operators.audit_log import COMMAND_LINE, Actor
from notifier.security.sealing import Sealer, SealError

ISSUER = "Notifier"

#: Number of recovery codes, and random bits of each: enough for a plain digest to protect them.
RECOVERY_CODES, RECOVERY_BITS = 10, 80

#: Time steps (30 s) before and after the present one whose codes are accepted, because clocks differ.
SKEW = 1

_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def new_secret() -> str:
    """Return 160 random bits in base32."""
    return pyotp.random_base32()


def provisioning_uri(operator: Operator, secret: str) -> str:
    """Return the content of the QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=operator.email, issuer_name=ISSUER)


def enable(
    session: Session, operator: Operator, secret: str, code: str, *, sealer: Sealer, by: Actor, now: datetime
) -> list[str] | None:
    """Require codes from now on.

    Return the recovery codes, to be shown once; None if `code` is wrong. The caller commits.
    """
    step = _matching_step(secret, code, now)
    if step is None:
        return None
    operator.totp_secret = sealer.seal(secret)
    operator.totp_step = step
    session.flush()
    audit_log.record(session, by, "operator.second_factor_on", object_type="operator", object_id=operator.id)
    return renew_recovery_codes(session, operator, by=by)


def renew_recovery_codes(session: Session, operator: Operator, *, by: Actor) -> list[str]:
    """Return new recovery codes and invalidate the old ones. The caller commits."""
    audit_log.record(session, by, "operator.recovery_codes_renewed", object_type="operator", object_id=operator.id)
    session.execute(delete(RecoveryCode).where(RecoveryCode.operator_id == operator.id))
    codes = [_new_code() for _ in range(RECOVERY_CODES)]
    session.add_all(RecoveryCode(operator_id=operator.id, code_hash=sessions.digest(_bare(code))) for code in codes)
    session.flush()
    return codes


def reset_second_factor(
    session: Session, operator: Operator, *, by: Actor = COMMAND_LINE, keep: str | None = None
) -> None:
    """Require no code any more, and end all sessions except that of the token `keep`. The caller commits."""
    operator.totp_secret = operator.totp_step = None
    session.execute(delete(RecoveryCode).where(RecoveryCode.operator_id == operator.id))
    sessions.end_all(session, operator.id, keep=keep)
    audit_log.record(session, by, "operator.second_factor_off", object_type="operator", object_id=operator.id)


def accept_code(session: Session, operator: Operator, code: str, *, sealer: Sealer, now: datetime) -> bool:
    """Return whether this code is valid, and use it up with all earlier ones. The caller commits."""
    if operator.totp_secret is None:
        return False
    try:
        step = _matching_step(sealer.open(operator.totp_secret), code, now)
    except SealError:
        return False
    if step is None:
        return False
    unused = or_(Operator.totp_step.is_(None), Operator.totp_step < step)
    return _changed(session, update(Operator).where(Operator.id == operator.id, unused).values(totp_step=step))


def accept_recovery_code(session: Session, operator: Operator, code: str, *, now: datetime) -> bool:
    """Return whether this is an unused recovery code of the operator, and use it up. The caller commits."""
    mine = (
        RecoveryCode.operator_id == operator.id,
        RecoveryCode.code_hash == sessions.digest(_bare(code)),
        RecoveryCode.used_at.is_(None),
    )
    return _changed(session, update(RecoveryCode).where(*mine).values(used_at=now))


def recovery_codes_left(session: Session, operator: Operator) -> int:
    """Return how many recovery codes are unused."""
    mine = (RecoveryCode.operator_id == operator.id, RecoveryCode.used_at.is_(None))
    return session.scalar(select(func.count()).select_from(RecoveryCode).where(*mine)) or 0


def _matching_step(secret: str, code: str, now: datetime) -> int | None:
    """Return the newest time step that this code belongs to; None if it is wrong."""
    totp = pyotp.TOTP(secret)
    typed = "".join(code.split())
    if len(typed) != totp.digits or not typed.isascii():
        return None
    ours = totp.timecode(now)
    steps = range(ours + SKEW, ours - SKEW - 1, -1)
    return next((step for step in steps if hmac.compare_digest(totp.generate_otp(step), typed)), None)


def _new_code() -> str:
    letters = [secrets.choice(_ALPHABET) for _ in range(RECOVERY_BITS // 5)]
    return "-".join("".join(letters[start : start + 4]) for start in range(0, len(letters), 4))


def _bare(code: str) -> str:
    """Strip hyphens and case, which people type in different ways."""
    return "".join(char for char in code.upper()[:100] if char.isalnum())


def _changed(session: Session, statement: Any) -> bool:
    result = session.execute(statement.execution_options(synchronize_session=False))
    return cast("CursorResult[Any]", result).rowcount == 1
