"""The rows: one module for each aggregate."""

from notifier.models.activity import Activity
from notifier.models.campaign import OPEN, Campaign, CampaignRun, CampaignState, Misfire, RunState
from notifier.models.heartbeat import Heartbeat
from notifier.models.notification import Attempt, Notification, OnUnknown, Status
from notifier.models.operator import Operator, Role
from notifier.models.preference import Consent, DigestMark, Frequency, Preference
from notifier.models.suppression import Suppression, SuppressionReason
from notifier.models.transport import Pace, TransportState
from notifier.models.user import User

__all__ = [
    "OPEN",
    "Activity",
    "Attempt",
    "Campaign",
    "CampaignRun",
    "CampaignState",
    "Consent",
    "DigestMark",
    "Frequency",
    "Heartbeat",
    "Misfire",
    "Notification",
    "OnUnknown",
    "Operator",
    "Pace",
    "Preference",
    "Role",
    "RunState",
    "Status",
    "Suppression",
    "SuppressionReason",
    "TransportState",
    "User",
]
