"""Operators: the people who may sign in to the admin."""

from notifier.operators.roster import (
    MIN_PASSWORD,
    OperatorError,
    any_exists,
    change_password,
    check_password,
    create,
    find,
    set_active,
    set_role,
)
from notifier.operators.second_factor import RECOVERY_CODES, reset_second_factor
from notifier.operators.sessions import ABSOLUTE, IDLE

__all__ = [
    "ABSOLUTE",
    "IDLE",
    "MIN_PASSWORD",
    "RECOVERY_CODES",
    "OperatorError",
    "any_exists",
    "change_password",
    "check_password",
    "create",
    "find",
    "reset_second_factor",
    "set_active",
    "set_role",
]
