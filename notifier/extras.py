"""The extras of the package: what is not installed is named, with the command that installs it."""

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from importlib.util import find_spec
from types import MappingProxyType

#: Extra -> the modules by which it is recognized. A host may serve the pages without gunicorn.
MODULES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "web": (
            "argon2", "cryptography", "css_inline", "dkim", "dns", "flask", "flask_admin", "flask_limiter",
            "flask_login", "flask_mail", "flask_migrate", "flask_openapi", "flask_sqlalchemy", "flask_wtf",
            "prometheus_client", "psycopg", "pydantic_settings", "pyotp", "redis", "rich", "segno", "werkzeug",
            "wtforms",
        ),
        "worker": (),
        "inbound": ("aiosmtpd",),
        "dev": (),
    }
)  # fmt: skip

#: Extra -> those that it contains.
CONTAINS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"worker": ("web",), "inbound": ("web",), "dev": ("worker", "inbound")}
)


#: Extra -> library -> the oldest version (major, minor) that it needs: newer than what another extra allows.
NEWER: Mapping[str, Mapping[str, tuple[int, int]]] = MappingProxyType({"worker": {"kombu": (5, 7), "redis": (6, 1)}})


class MissingExtra(ImportError):
    """A part of notifier needs libraries that are not installed; the message is one line that says what to install."""


def require(extra: str, part: str) -> None:
    """Raise MissingExtra, which names `part` and what to install, unless the libraries of this extra are there.

    Nothing is imported.
    """
    every = tuple(dict.fromkeys(_contained(extra)))
    absent = sorted(name for each in every for name in MODULES[each] if find_spec(name) is None)
    older = [
        f"{name} {'.'.join(map(str, oldest))} or newer"
        for each in every
        for name, oldest in NEWER.get(each, {}).items()
        if name not in absent and _version(name) < oldest
    ]
    if absent or older:
        raise _missing(extra, part, [*absent, *older])


def missing(error: ModuleNotFoundError, part: str) -> MissingExtra | None:
    """Return what to say about this error if an extra brings the module that `part` did not find; otherwise None."""
    module = (error.name or "").partition(".")[0]
    extra = next((name for name, modules in MODULES.items() if module in modules), None)
    return None if extra is None else _missing(extra, part, [module])


def _missing(extra: str, part: str, needed: list[str]) -> MissingExtra:
    return MissingExtra(f"{part} needs {', '.join(needed)}. Run: pip install 'notifier[{extra}]'", name=needed[0])


def _contained(extra: str) -> Iterator[str]:
    yield extra
    for each in CONTAINS.get(extra, ()):
        yield from _contained(each)


def _version(distribution: str) -> tuple[int, int]:
    major, minor = version(distribution).split(".")[:2]
    return int(major), int(minor)
