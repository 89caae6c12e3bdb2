"""The rows: one module for each aggregate."""

from notifier.models.activity import Activity
from notifier.models.heartbeat import Heartbeat
from notifier.models.notification import Attempt, Notification, OnUnknown, Status
from notifier.models.operator import Operator, Role
from notifier.models.suppression import Suppression, SuppressionReason
from notifier.models.transport import Pace, TransportState
from notifier.models.user import User

__all__ = [
    "Activity",
    "Attempt",
    "Heartbeat",
    "Notification",
    "OnUnknown",
    "Operator",
    "Pace",
    "Role",
    "Status",
    "Suppression",
    "SuppressionReason",
    "TransportState",
    "User",
]
