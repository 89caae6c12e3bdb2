"""Seeds: a believable population for development, tests and measurements.

Addresses are at reserved domains (RFC 2606), so no email can reach a person. The same `seed` gives the same people.
"""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Table, func, insert, select
from sqlalchemy.orm import Session

from notifier.models import Activity, User
from notifier.models.user import new_nonce

#: Rows in one transaction.
CHUNK = 5000


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_GIVEN = _words(
    """
    Ada Aiko Amara Anders Anja Anouk Arjun Asel Beatriz Bilal Björn Bo Camila Chidi Chloé Daan Dalia
    Darya Diego Elif Emil Esra Farid Fatima Femke Finn Freya Giulia Goran Hana Hiroshi Ines Ingrid Ivan
    Jana Jonas José Kaito Kemal Kofi Lara Leila Liam Linh Lucía Mads Maja Marek Mei Milan Nadia Naoko
    Niamh Noor Oksana Olu Omar Paola Pavel Priya Quentin Rana Rasmus Rosa Samir Sanna Selin Sione Sofia
    Stefan Søren Tariq Thu Tomás Uma Valentina Viktor Wanjiru Xenia Yara Yusuf Zofia Zoë
    """
)
_FAMILY = _words(
    """
    Abebe Adeyemi Ahmed Andersen Bakker Becker Benali Bianchi Castro Chen Costa Cruz Dubois Eriksson
    Farah Fischer García Haddad Hansen Horváth Ito Ivanova Jansen Jovanović Kaya Kim Kowalski Kumar
    Larsen Lefebvre López Mensah Moreau Müller Nakamura Nguyen Novák O'Brien Okafor Olsen Patel Petrov
    Ramos Rossi Said Santos Sato Silva Singh Smith Suzuki Tanaka Tan Torres Van Vega Virtanen Wang Weber
    Yildiz Zhang
    """
)
_LOCALES = ("en", "en-GB", "de", "fr", "es", "pt-BR", "it", "nl", "pl", "tr", "ja", "ar", "hi", "sv")
_ZONES = (
    "UTC",
    "Europe/London",
    "Europe/Berlin",
    "Europe/Paris",
    "Europe/Istanbul",
    "America/New_York",
    "America/Chicago",
    "America/Los_Angeles",
    "America/Sao_Paulo",
    "Africa/Lagos",
    "Africa/Nairobi",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Tokyo",
    "Asia/Shanghai",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
)
_DOMAINS = ("example.com", "example.org", "example.net")
_ACTIVITIES = ("like", "like", "like", "comment", "comment", "follow", "friend_request")
_THINGS = ("Sunrise over the harbour", "My first sourdough", "Trip to the lakes", "Garden in June", "Night train")

# The tables themselves: the ORM's bookkeeping would cost more than the rows.
_USERS = cast("Table", User.__table__)
_ACTIVITY = cast("Table", Activity.__table__)

#: How far back accounts and activities go.
PAST = timedelta(days=730)


def seed(
    session: Session, *, users: int, verified: float, activities: int, now: datetime, seed: int = 1
) -> Iterator[int]:
    """Add `users` users, a share of `verified` (0 to 1) of them verified, with about `activities` each.

    Commit after every chunk, and yield the number of users made so far.
    """
    rng = random.Random(seed)
    start = session.scalar(select(func.coalesce(func.max(User.id), 0))) or 0
    session.rollback()
    for done in range(0, users, CHUNK):
        count = min(CHUNK, users - done)
        rows = [_user(rng, start + done + number + 1, verified, now) for number in range(count)]
        session.execute(insert(_USERS), rows)
        if activities:
            mine = select(User.id, User.created_at).where(User.identity_key.in_([row["identity_key"] for row in rows]))
            owners = [(pk, since) for pk, since in session.execute(mine.order_by(User.id))]
            for events in _activities(rng, owners, activities, now):
                session.execute(insert(_ACTIVITY), events)
        session.commit()
        yield done + count


def _user(rng: random.Random, number: int, verified: float, now: datetime) -> dict[str, Any]:
    given, family = rng.choice(_GIVEN), rng.choice(_FAMILY)
    # Younger accounts are more frequent, as in any growing population.
    created = now - PAST * (rng.random() ** 2)
    confirmed = rng.random() < verified
    address = f"seed-{number}@{rng.choice(_DOMAINS)}"
    return {
        "email": address,
        "identity_key": address,
        "display_name": rng.choice((f"{given} {family}", given, f"{given} {family}", "")),
        "locale": rng.choice(_LOCALES),
        "timezone": rng.choice(_ZONES),
        "link_nonce": new_nonce(),
        "created_at": created,
        "verified_at": min(now, created + timedelta(minutes=rng.randint(1, 2880))) if confirmed else None,
    }


def _activities(
    rng: random.Random, owners: list[tuple[int, datetime]], average: int, now: datetime
) -> Iterator[list[dict[str, Any]]]:
    """Yield activities of these (user, since when) in portions, so that memory stays bounded."""
    portion: list[dict[str, Any]] = []
    for owner, since in owners:
        for _ in range(rng.randint(0, 2 * average)):
            thing = rng.randrange(len(_THINGS))
            portion.append(
                {
                    "user_id": owner,
                    "kind": rng.choice(_ACTIVITIES),
                    "actor": f"{rng.choice(_GIVEN)} {rng.choice(_FAMILY)}",
                    "object_key": f"photo:{owner}:{thing}",
                    "object_title": _THINGS[thing],
                    "occurred_at": since + (now - since) * rng.random(),
                }
            )
        if len(portion) >= CHUNK:
            yield portion
            portion = []
    if portion:
        yield portion
