"""One person as a page's object: found by their number, or told when they were erased."""

from datetime import UTC, datetime

from werkzeug.exceptions import NotFound

from notifier.admin.kit import traces
from notifier.extensions import db
from notifier.models import User
from notifier.operators import audit_log


def person_of(pk: int) -> User:
    """Return the person with this key; answer 404 if there is none, with the time of the erasure if there was one."""
    user = db.session.get(User, pk)
    if user is None or user.erased_at is not None:
        raise NotHere(user.erased_at if user else audit_log.erased_at_by_id(db.session(), pk))
    return user


class NotHere(NotFound):
    """The person does not exist, or was erased."""

    def __init__(self, erased_at: datetime | None) -> None:
        super().__init__()
        if erased_at is not None:
            self.for_people = f"This person was erased on {written(erased_at)}. Nothing about them is kept."


def written(at: datetime) -> str:
    """Return a moment for a sentence."""
    return f"{at.astimezone(UTC):%d %b %Y at %H:%M} UTC"


def trace(user: User) -> None:
    """Note that this page shows the person."""
    traces.shown("person", 1, pk=user.id, person=traces.about(user.identity_key))
