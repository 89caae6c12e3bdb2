"""The rows: one module for each aggregate."""

from notifier.models.activity import Activity
from notifier.models.audit import AuditEntry
from notifier.models.campaign import OPEN, Campaign, CampaignRun, CampaignState, Misfire, RunState, Trigger
from notifier.models.campaign_words import CampaignWords
from notifier.models.daily_total import DailyTotal
from notifier.models.heartbeat import Heartbeat
from notifier.models.notification import FAILED, Attempt, Notification, OnUnknown, Status
from notifier.models.operator import Operator, OperatorSession, RecoveryCode, Role
from notifier.models.preference import Consent, DigestMark, Frequency, Preference
from notifier.models.suppression import Suppression, SuppressionReason
from notifier.models.task_result import RECORDED, TaskResult, TaskState
from notifier.models.transport import Pace, TransportState
from notifier.models.user import User

__all__ = [
    "FAILED",
    "OPEN",
    "RECORDED",
    "Activity",
    "Attempt",
    "AuditEntry",
    "Campaign",
    "CampaignRun",
    "CampaignState",
    "CampaignWords",
    "Consent",
    "DailyTotal",
    "DigestMark",
    "Frequency",
    "Heartbeat",
    "Misfire",
    "Notification",
    "OnUnknown",
    "Operator",
    "OperatorSession",
    "Pace",
    "Preference",
    "RecoveryCode",
    "Role",
    "RunState",
    "Status",
    "Suppression",
    "SuppressionReason",
    "TaskResult",
    "TaskState",
    "TransportState",
    "Trigger",
    "User",
]
