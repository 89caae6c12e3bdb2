"""Notifier: the object that another Flask application creates once, beside its own `db`."""

from datetime import datetime
from functools import partial

from sqlalchemy.orm import Session

from notifier.campaigns.explanations import Answer
from notifier.embedding.errors import SetupError
from notifier.embedding.upkeep import Upkeep
from notifier.embedding.watching import session_of_hook
from notifier.entries import content, people, recording
from notifier.entries.sending import Wanted, check_key, check_times
from notifier.explain.single_emails import single_emails
from notifier.explain.why import why
from notifier.models import Activity, Notification


class Notifier(Upkeep):
    """The writer: rows of notifier in the host's own sessions and transactions.

    It takes the host's sessions, never makes one for writing, and never commits.
    """

    def send(
        self,
        kind: str,
        to: object,
        *,
        data: object = None,
        key: str | None = None,
        at: datetime | None = None,
        until: datetime | None = None,
        address: str | None = None,
        session: Session | None = None,
    ) -> Notification:
        """Write the row of an email in the transaction of the session. The caller commits.

        Outside of a hook it flushes first, so a user that was just added is known. In a hook, where an error would undo
        the sign-up itself, an email to a person without a usable address is stored as skipped, with the reason.

        Args:
            kind: The name of the kind of email.
            to: A user of the host, or the id of one.
            data: What the kind's `Data` takes.
            key: The same key with the same content gives the same row; None: each call is another email.
            at: It is not sent before; None: now.
            until: It is not sent after; None: when the kind's lifetime has passed.
            address: Another address, such as a new one that the person has not confirmed yet; None: theirs.
            session: By default that of the hook, of the user's row, or the scoped session.

        Raise UnknownKind, DataRefused, UnknownUser, NoAddress, KeyConflict, NoSession, or DuringFlush. Raise ValueError
        for a time without a zone and for a key that is none.
        """
        found = content.sendable(self._kinds, kind)
        checked = content.checked(found, data)
        check_key(key)
        check_times(at, until)
        current = self._addressing.session(to, session)
        recipient = None if address is None else self._addressing.envelope(address)
        wanted = Wanted(found, self._addressing.external_id(to), recipient, checked, key, at, until)
        in_hook = current is session_of_hook()
        check = partial(self._addressing.reachable, current, to, address)
        return self._sending.write(current, wanted, check, in_hook=in_hook)

    def record(
        self,
        kind: str,
        to: object,
        *,
        id: str | None = None,
        at: datetime | None = None,
        actor: str = "",
        object_key: str = "",
        object_title: str = "",
        session: Session | None = None,
    ) -> Activity:
        """Write that something happened to a user, for digests and reports. The caller commits.

        Args:
            kind: Such as `like`, `comment`, `follow` or `friend_request`; others count as other activity.
            to: The user whom it is about, or the id of one.
            id: The same id with the same content gives the same row; None: each call is another activity.
            at: When it happened; None: now.
            actor: The name of the person who did it.
            object_key: Groups activities on one object: ten likes of one photo are one line.
            object_title: The name of that object.
            session: As for `send`.

        Raise UnknownUser, KeyConflict, NoSession, or DuringFlush. Raise ValueError for a kind, an id, a key or a time
        that cannot be stored.
        """
        check_key(id)
        check_times(at, None)
        current = self._addressing.session(to, session)
        person = self._addressing.person(current, to)
        what = recording.happened(kind, id=id, at=at, actor=actor, object_key=object_key, object_title=object_title)
        return recording.write(current, what, person).row

    def preferences_url(self, user: object, *, session: Session | None = None) -> str:
        """Return the address of the page on which this user chooses their emails, for a link on your own pages.

        Everyone with the address may choose for them, as with the link in an email: show it to them alone. Raise
        SetupError without `mount`, UnknownUser, Erased, NoAddress, NoSession, or DuringFlush.
        """
        link = self._parts.preferences_link
        if link is None:
            raise SetupError("there is no page of preferences: call init_app with mount=")
        current = self._addressing.session(user, session)
        person = self._addressing.reachable(current, user)
        return link(person.id, person.identity_key)

    def why(self, user: object, campaign: str | None = None, *, session: Session | None = None) -> list[Answer]:
        """Return for each campaign, or for the named one, why this person gets its email, or why not.

        Without a name, answers about their single emails follow (`campaign` is empty): what became of each of the
        newest 100, or will, and why. Outside of a hook it flushes first. Raise UnknownUser, Erased, NoSession,
        DuringFlush, or CampaignError if there is no such campaign.
        """
        current = self._addressing.session(user, session)
        person = self._addressing.person(current, user)
        with people.session_beside(current) as reading:
            answers = why(reading, person.id, self._kinds, campaign)
            return answers if campaign is not None else [*answers, *single_emails(reading, person.id)]
