"""The mailbox provider of a recipient, and the emails of a run that went to one."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from notifier.database.expressions import DomainOf
from notifier.mail import providers
from notifier.models import DomainProvider, Notification

_N = Notification


def scopes_of(session: Session, domains: Collection[str]) -> dict[str, str]:
    """Return, by domain (lower case), the name of its provider as far as it is known; else the domain itself."""
    scopes = {domain: providers.provider_of(domain) or domain for domain in domains}
    custom = [domain for domain, scope in scopes.items() if scope == domain != ""]
    if custom:
        known = select(DomainProvider.domain, DomainProvider.provider).where(DomainProvider.domain.in_(custom))
        scopes |= {domain: provider for domain, provider in session.execute(known) if provider is not None}
    return scopes


def is_at(scope: str) -> ColumnElement[bool]:
    """Build the condition on Notification that its recipient's mailbox is in this scope."""
    domain = DomainOf(_N.recipient)
    provider = providers.PROVIDERS.get(scope)
    if provider is None:
        return domain == scope
    customers = select(DomainProvider.domain).where(DomainProvider.provider == scope)
    return or_(domain.in_(sorted(provider.domains)), domain.in_(customers))
