"""A person's address is replaced: the old one is told, and its unsubscribe links work on.

A suppression stays with the old address by itself, because it belongs to an address and not to a person.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from notifier.emails import AddressChanged
from notifier.entries import people
from notifier.entries.fields import UserFields, columns_of, external_id_of
from notifier.entries.sending import Sending, Wanted
from notifier.models import User

#: How long unsubscribe links of emails to an old address work. CAN-SPAM, section 5(a)(3), asks for 30 days.
OLD_LINKS_WORK: Final = timedelta(days=60)

_NOTICE: Final = AddressChanged()


def write(
    session: Session, given: Iterable[UserFields], *, sending: Sending, allow_local: bool, has_hook: bool = False
) -> None:
    """Store these people as `people.write` does, and tell each confirmed address that is replaced or taken away.

    The email is a row in the same transaction. It does not say the new address: the person who reads it may be another
    one by then. Raise ValueError as `people.write` does.
    """
    connection, fields = people.connection_of(session), list(given)
    people.begin_writing(connection)
    before = people.confirmed(connection, {external_id_of(each.id) for each in fields})
    people.write(connection, fields, allow_local=allow_local, has_hook=has_hook)
    for each in fields:
        former = before.get(external_id_of(each.id))
        if former is None or columns_of(each, allow_local=allow_local)["identity_key"] == former.identity_key:
            continue
        wanted = Wanted(_NOTICE, former.external_id, former.email, None, None, None, None)
        sending.write(session, wanted, _nothing_to_check)


def old_links_work(user: User, now: datetime) -> bool:
    """Return whether unsubscribe links of emails to earlier addresses of this person still work."""
    return user.address_changed_at is not None and now < user.address_changed_at + OLD_LINKS_WORK


def _nothing_to_check() -> None:
    """Find nothing wrong: the person is here, and the address was confirmed."""
