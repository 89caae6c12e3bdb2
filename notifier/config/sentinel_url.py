"""The address of a Redis that Sentinels watch: theirs, as Celery writes it, and the name of the one that they watch.

sentinel://:password@host1:26379/0;sentinel://host2:26379;sentinel://host3:26379?master_name=mymaster

User, password and number of the database are those of Redis. https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/
"""

from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlsplit

#: The schemes; kombu and Celery know the first.
SCHEMES = ("sentinel", "redis-sentinel")

#: The port of a Sentinel without one in its address.
PORT = 26379

_OPTIONS = frozenset({"master_name", "sentinel_username", "sentinel_password"})


@dataclass(frozen=True, slots=True)
class Sentinels:
    """The Sentinels, and what to ask them for. `repr` shows no password."""

    hosts: tuple[tuple[str, int], ...]
    master_name: str
    db: int
    username: str | None
    password: str | None
    #: How to sign in at the Sentinels themselves.
    own: dict[str, str]

    def __repr__(self) -> str:
        return f"Sentinels({self.hosts}, {self.master_name!r})"

    def for_kombu(self) -> str:
        """Return the list that kombu reads. Each address is whole, because kombu takes the next one after a failure."""
        credentials = ""
        if self.password is not None:
            credentials = f"{quote(self.username or '', safe='')}:{quote(self.password, safe='')}@"
        return ";".join(f"sentinel://{credentials}{_host(host)}:{port}/{self.db}" for host, port in self.hosts)


def is_sentinel(url: str) -> bool:
    """Return True for an address of Sentinels."""
    return url.partition("://")[0].lower() in SCHEMES


def read(url: str) -> Sentinels:
    """Return the parts of the address. Raise ValueError, with a text that quotes no password, for a wrong one."""
    address, _, query = url.partition("?")
    parts = [urlsplit(each.strip()) for each in address.split(";") if each.strip()]
    if not parts or any(each.scheme not in SCHEMES or not each.hostname or each.fragment for each in parts):
        raise ValueError
    options = parse_qsl(query, keep_blank_values=True)
    given = dict(options)
    if len(given) != len(options) or not given.keys() <= _OPTIONS:
        raise ValueError("the options of Sentinels are master_name, sentinel_username and sentinel_password, each once")
    if not given.get("master_name"):
        raise ValueError("name what the Sentinels watch: ?master_name=mymaster at the end")
    databases = {each.path.strip("/") for each in parts} - {""}
    credentials = {(each.username, each.password) for each in parts if each.password or each.username}
    if len(databases) > 1 or len(credentials) > 1:
        raise ValueError("user, password and database are Redis's: write them once, at the first address")
    db = databases.pop() if databases else "0"
    if not (db.isascii() and db.isdigit() and len(db) <= 4):
        raise ValueError
    username, password = credentials.pop() if credentials else (None, None)
    return Sentinels(
        tuple((each.hostname or "", each.port or PORT) for each in parts),
        given["master_name"],
        int(db),
        unquote(username) if username else None,
        unquote(password) if password else None,
        {name.removeprefix("sentinel_"): value for name, value in given.items() if name != "master_name" and value},
    )


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host
