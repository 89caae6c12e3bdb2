"""How activities are put into words, and which of them matter more. The texts are English, as all mails are."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from notifier.mail.header_text import clean_text

#: Of a list of people so many are named; where there are more, all but one of these and a number.
NAMED = 3
#: Characters of a name or title that a mail shows.
_NAME, _TITLE = 64, 80


@dataclass(frozen=True, slots=True, eq=False)
class Phrases:
    """The words for one kind of activity. There is one object for each."""

    kind: str
    heading: str
    one: str
    many: str
    #: What somebody did, after their name and before the thing.
    did: str
    #: The same of several people, where it differs.
    they_did: str = ""
    #: It is about the reader, not about a thing of theirs: all of this kind are one line.
    personal: bool = False


_OTHER = Phrases("", "Other", "other activity", "other activities", "was active on", "were active on")
#: What matters most first; the last is for kinds that we do not know.
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
#: Kinds that are about the reader.
PERSONAL = tuple(phrases.kind for phrases in PHRASES if phrases.personal)


def phrases_of(kind: str) -> Phrases:
    """The words for this kind; general ones where we do not know it."""
    return _BY_KIND.get(kind, _OTHER)


def by_phrases(counts: Mapping[str, int]) -> Counter[Phrases]:
    """Counts by kind, with those of all kinds that we do not know as one."""
    found: Counter[Phrases] = Counter()
    for kind, count in counts.items():
        found[phrases_of(kind)] += count
    return found


def counted(count: int, one: str, many: str) -> str:
    """1 like, 2 likes."""
    return f"{count:,} {one if count == 1 else many}"


def tally(counts: Mapping[str, int]) -> str:
    """Counts by kind in words, what matters most first: 2 comments and 12 likes."""
    found = by_phrases(counts)
    return listed([counted(found[phrases], phrases.one, phrases.many) for phrases in PHRASES if found[phrases]])


def listed(parts: Sequence[str]) -> str:
    """One; one and two; one, two and three."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]])) if parts else ""


def people(names: Sequence[str], count: int) -> str:
    """Who did it: the first of `names` (cleaned), and how many of the `count` people are not named."""
    if count <= NAMED:
        return listed(names[:count])
    shown = names[: NAMED - 1]
    rest = count - len(shown)
    return listed([*shown, counted(rest, "other", "others")])


@lru_cache(maxsize=4096)
def name(text: str) -> str:
    """An actor's name, safe to show."""
    return clean_text(text, _NAME) or "Someone"


@lru_cache(maxsize=4096)
def title(text: str, limit: int = _TITLE) -> str:
    """A thing's title, safe to show and not too long; empty where it has none."""
    cleaned = clean_text(text, limit + 1)
    return cleaned if len(cleaned) <= limit else clean_text(text, limit - 1) + "…"


def quoted(text: str) -> str:
    """A title as it stands in a sentence."""
    return f"“{text}”" if text else "something of yours"


@lru_cache(maxsize=1024)
def day(date: date) -> str:
    """12 November."""
    return f"{date.day} {date:%B}"


@lru_cache(maxsize=1024)
def weekday(date: date, *, year: bool = False) -> str:
    """Thursday, 12 November; with its year where that is not plain."""
    return f"{date:%A}, {day(date)}" + (f" {date.year}" if year else "")
