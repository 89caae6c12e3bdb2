"""The tables, one module per aggregate."""

from notifier.models.account_request import AccountAction, AccountRequest
from notifier.models.activity import Activity
from notifier.models.api_key import ApiKey
from notifier.models.audit_log import AuditEntry
from notifier.models.campaign import OPEN, Campaign, CampaignRun, CampaignState, Misfire, RunState, Trigger
from notifier.models.content_version import ContentVersion
from notifier.models.daily_total import DailyTotal, ProviderTotal
from notifier.models.event import UNDELIVERED, DeliveryState, Event, EventDraft, WebhookDelivery, WebhookEndpoint
from notifier.models.feedback import CAME_BACK, IN_TRAY, UNASSIGNED, Effect, Feedback
from notifier.models.heartbeat import Heartbeat
from notifier.models.incident import Incident
from notifier.models.notification import FAILED, WAITING, Attempt, Notification, OnUnknown, Status
from notifier.models.operator import KeptForm, LinkPurpose, Operator, OperatorLink, OperatorSession, RecoveryCode, Role
from notifier.models.preference import Consent, DigestMark, Frequency, Preference
from notifier.models.provider import DomainProvider, ProviderHold
from notifier.models.restore import DatabaseIdentity, UnrecordedEmail
from notifier.models.signup_email import SignupEmail
from notifier.models.suppression import Suppression, SuppressionReason
from notifier.models.tally import MetricTotal, Tally
from notifier.models.task_result import RECORDED, TaskResult, TaskState
from notifier.models.transport import PaceState, TransportState
from notifier.models.user import DETACHED, NO_IDENTITY, User, new_nonce
from notifier.models.webhook_state import WebhookState
from notifier.models.webhook_token import WebhookToken

__all__ = [
    "CAME_BACK",
    "DETACHED",
    "FAILED",
    "IN_TRAY",
    "NO_IDENTITY",
    "OPEN",
    "RECORDED",
    "UNASSIGNED",
    "UNDELIVERED",
    "WAITING",
    "AccountAction",
    "AccountRequest",
    "Activity",
    "ApiKey",
    "Attempt",
    "AuditEntry",
    "Campaign",
    "CampaignRun",
    "CampaignState",
    "Consent",
    "ContentVersion",
    "DailyTotal",
    "DatabaseIdentity",
    "DeliveryState",
    "DigestMark",
    "DomainProvider",
    "Effect",
    "Event",
    "EventDraft",
    "Feedback",
    "Frequency",
    "Heartbeat",
    "Incident",
    "KeptForm",
    "LinkPurpose",
    "MetricTotal",
    "Misfire",
    "Notification",
    "OnUnknown",
    "Operator",
    "OperatorLink",
    "OperatorSession",
    "PaceState",
    "Preference",
    "ProviderHold",
    "ProviderTotal",
    "RecoveryCode",
    "Role",
    "RunState",
    "SignupEmail",
    "Status",
    "Suppression",
    "SuppressionReason",
    "Tally",
    "TaskResult",
    "TaskState",
    "TransportState",
    "Trigger",
    "UnrecordedEmail",
    "User",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookState",
    "WebhookToken",
    "new_nonce",
]
