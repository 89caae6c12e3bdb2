"""Put activities into words, and rank their kinds. The texts are English, as all emails are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from notifier.english import listed
from notifier.mail.header_text import clean_text

#: Names listed of a group of people; of a larger group, one name less and a number.
NAMED = 3
#: Characters of a name or title that an email shows.
_NAME, _TITLE = 64, 80


@dataclass(frozen=True, slots=True, eq=False)
class Phrases:
    """The words for one kind of activity. There is one object per kind."""

    kind: str
    heading: str
    one: str
    many: str
    #: What a person did, between their name and the thing.
    did: str
    #: The same for several people, if it differs.
    they_did: str = ""
    #: Whether it is about the recipient, not about a thing of theirs: all of this kind form one line.
    personal: bool = False


_OTHER = Phrases("", "Other", "other activity", "other activities", "was active on", "were active on")
#: Most important first; the last is for unknown kinds.
PHRASES = (
    Phrases(
        "friend_request",
        "Friend requests",
        "friend request",
        "friend requests",
        "sent you a friend request",
        "sent you friend requests",
        personal=True,
    ),
    Phrases("comment", "Comments", "comment", "comments", "commented on"),
    Phrases("follow", "New followers", "new follower", "new followers", "started following you", personal=True),
    Phrases("like", "Likes", "like", "likes", "liked"),
    _OTHER,
)
_BY_KIND = {phrases.kind: phrases for phrases in PHRASES}
#: Kinds that are about the recipient.
PERSONAL = tuple(phrases.kind for phrases in PHRASES if phrases.personal)


def phrases_of(kind: str) -> Phrases:
    """Return the words for this kind; general ones for an unknown kind."""
    return _BY_KIND.get(kind, _OTHER)


def by_phrases(counts: Mapping[str, int]) -> dict[Phrases, int]:
    """Return the counts by kind, with all unknown kinds as one."""
    # A plain dict: this runs several times for every report, and a Counter takes five times as long to make.
    found: dict[Phrases, int] = {}
    for kind, count in counts.items():
        phrases = _BY_KIND.get(kind, _OTHER)
        found[phrases] = found.get(phrases, 0) + count
    return found


@lru_cache(maxsize=4096)
def counted(count: int, one: str, many: str) -> str:
    """Format a count: 1 like, 2 likes."""
    return f"{count:,} {one if count == 1 else many}"


def tally(counts: Mapping[str, int]) -> str:
    """Format counts by kind, most important first: 2 comments and 12 likes."""
    found = by_phrases(counts)
    return listed([counted(found[one], one.one, one.many) for one in PHRASES if found.get(one)])


def people(names: Sequence[str], count: int) -> str:
    """Format the people: the first of `names` (cleaned), and how many of the `count` people are not named."""
    if count <= NAMED:
        return listed(names[:count])
    shown = names[: NAMED - 1]
    rest = count - len(shown)
    return listed([*shown, counted(rest, "other", "others")])


@lru_cache(maxsize=4096)
def name(text: str) -> str:
    """Return an actor's name, safe to show."""
    return clean_text(text, _NAME) or "Someone"


@lru_cache(maxsize=4096)
def title(text: str, limit: int = _TITLE) -> str:
    """Return a thing's title, safe to show and not too long; empty if it has none."""
    cleaned = clean_text(text, limit + 1)
    return cleaned if len(cleaned) <= limit else clean_text(text, limit - 1) + "…"


def quoted(text: str) -> str:
    """Return a title as it stands in a sentence."""
    return f"“{text}”" if text else "something of yours"


@lru_cache(maxsize=1024)
def day(date: date) -> str:
    """Format a date: 12 November."""
    return f"{date.day} {date:%B}"


@lru_cache(maxsize=1024)
def weekday(date: date, *, year: bool = False) -> str:
    """Format a date: Thursday, 12 November; with its year on request."""
    return f"{date:%A}, {day(date)}" + (f" {date.year}" if year else "")
