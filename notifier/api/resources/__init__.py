"""All resources of the API, in the order of its documentation. A new one is a module here, and a line in this list."""

from typing import Final

from notifier.api.operation import Resource
from notifier.api.resources import (
    activities,
    campaigns,
    events,
    imports,
    notifications,
    preferences,
    runs,
    suppressions,
    users,
    webhooks,
    why,
)

RESOURCES: Final[tuple[Resource, ...]] = (
    users.resource,
    preferences.resource,
    why.resource,
    activities.resource,
    notifications.resource,
    suppressions.resource,
    imports.resource,
    campaigns.resource,
    runs.resource,
    events.resource,
    webhooks.resource,
)
