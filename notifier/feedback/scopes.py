"""The mailbox provider of a recipient, and the emails of a run that went to one."""

from sqlalchemy import ColumnElement, func, literal, or_, select
from sqlalchemy.orm import Session

from notifier.database.expressions import DomainOf
from notifier.mail import providers
from notifier.models import DomainProvider, Notification

_N = Notification


def scope_of(session: Session, domain: str) -> str:
    """Return the name of the provider of this domain (lower case), as far as it is known; else the domain itself."""
    found = stored_scope(domain)
    return found if isinstance(found, str) else session.scalar(select(found)) or domain


def stored_scope(domain: str) -> str | ColumnElement[str]:
    """Return the same as a value or an expression for a statement that stores it."""
    own = providers.provider_of(domain)
    if own is not None:
        return own
    customer = select(DomainProvider.provider).where(DomainProvider.domain == domain)
    return func.coalesce(customer.scalar_subquery(), literal(domain))


def is_at(scope: str) -> ColumnElement[bool]:
    """Build the condition on Notification that its recipient's mailbox is in this scope."""
    domain = DomainOf(_N.recipient)
    provider = providers.PROVIDERS.get(scope)
    if provider is None:
        return domain == scope
    customers = select(DomainProvider.domain).where(DomainProvider.provider == scope)
    return or_(domain.in_(sorted(provider.domains)), domain.in_(customers))
