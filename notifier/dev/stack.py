"""The whole development stack: choose ports, start the processes, print the addresses."""

import os
import secrets
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from notifier import resources
from notifier.config.running import known_to_others
from notifier.config.secret_files import SUFFIX
from notifier.config.sentinel_url import is_sentinel
from notifier.config.settings import Settings
from notifier.dev.broker import Broker, BrokerMissingError, find_server
from notifier.dev.console import Console
from notifier.dev.datalock import InUseError
from notifier.dev.first_login import first_login
from notifier.dev.plan import Ports, make_plan
from notifier.dev.ports import PortTakenError, answers, can_listen, free_port, is_free
from notifier.dev.supervisor import GivenUpError, Supervisor
from notifier.dev.upenv import up_env

#: Default ports of brokers, for addresses without a port.
BROKER_PORTS = {"redis": 6379, "rediss": 6379, "amqp": 5672, "pyamqp": 5672, "amqps": 5671}
FLAGS = {"web": "--web-port", "inbox": "--inbox-port", "smtp": "--smtp-port", "bounces": "--bounce-port"}


class UnreachableError(Exception):
    """A server that the settings name does not answer. The text says what to do."""


#: Reasons why a stack does not start, or ends; their texts are for people.
PROBLEMS = (BrokerMissingError, GivenUpError, InUseError, PortTakenError, UnreachableError)


@dataclass(frozen=True)
class Wishes:
    """The options of the command line. Port 0 means any free one."""

    host: str = "127.0.0.1"
    web_port: int = 8000
    inbox_port: int = 8025
    smtp_port: int = 1025
    bounce_port: int = 2401


def choose_ports(wishes: Wishes, with_inbox: bool, with_web: bool = True) -> Ports:
    """Choose the ports to listen on. Raise PortTakenError or UnreachableError with a line that says what to do.

    Without `with_web`, another program listens on the port of the web, which may be 0: unknown.
    """
    if not can_listen(wishes.host):
        raise UnreachableError(
            f"--host {wishes.host}: this machine has no such IPv4 address. Use 127.0.0.1, or 0.0.0.0 for all of them."
        )
    wished = {"web": (wishes.host, wishes.web_port)} if with_web else {}
    if with_inbox:
        wished |= {
            "inbox": (wishes.host, wishes.inbox_port),
            "smtp": ("127.0.0.1", wishes.smtp_port),
            "bounces": ("127.0.0.1", wishes.bounce_port),
        }
    named = {what: _named(what, host, port) for what, (host, port) in wished.items() if port}
    chosen = dict(named)
    for what, (host, _) in wished.items():
        if what not in named:
            chosen[what] = _any_port(host, set(chosen.values()))
    if len(set(chosen.values())) < len(chosen):
        raise PortTakenError("Web, inbox, SMTP and bounces need different ports: set " + ", ".join(FLAGS.values()))
    web = chosen.get("web", wishes.web_port)
    return Ports(wishes.host, web, *(chosen.get(what, 0) for what in ("inbox", "smtp", "bounces")))


def _any_port(host: str, others: Collection[int]) -> int:
    """Return a free port that is not among the `others`, which are not in use yet and might be offered again."""
    while (port := free_port(host)) in others:
        pass
    return port


def _named(what: str, host: str, port: int) -> int:
    if is_free(host, port):
        return port
    raise PortTakenError(
        f"Port {port} ({what}) on {host} is taken by another program. "
        f"Stop that one, or choose another port: {FLAGS[what]} {_next_free(host, port)}"
    )


def _next_free(host: str, port: int) -> int:
    candidates = range(port + 1, min(port + 100, 65536))
    return next((candidate for candidate in candidates if is_free(host, candidate)), 0)


def own_broker(settings: Settings, data_dir: Path, others: Collection[int] = ()) -> Broker | None:
    """Return the broker to start, or None if the settings name one, which must answer. `others`: ports not to take."""
    if not settings.broker_url:
        return new_broker(data_dir, others)
    name = "CELERY_BROKER_URL" if settings.celery_broker_url else "REDIS_URL"
    if is_sentinel(settings.broker_url):
        return None
    parts = urlsplit(settings.broker_url)
    port = parts.port or BROKER_PORTS.get(parts.scheme, BROKER_PORTS["redis"])
    if parts.hostname and not answers(parts.hostname, port, timeout=3):
        raise UnreachableError(
            f"{name}: nothing answers at {parts.hostname}:{port}. "
            f"Start that server, or unset {name} to use the built-in one."
        )
    return None


def new_broker(data_dir: Path, others: Collection[int] = ()) -> Broker:
    """Return a broker that keeps its data below `data_dir`. Raise BrokerMissingError if no server is installed."""
    folder = data_dir / "broker"
    folder.mkdir(parents=True, exist_ok=True)
    return Broker(find_server(), folder, _any_port("127.0.0.1", others), password=secrets.token_urlsafe(24))


def stack_env(settings: Settings, ports: Ports, broker: Broker | None, with_inbox: bool) -> dict[str, str]:
    """Return the environment of processes of this stack: the settings of the person, and the addresses found.

    Paths are absolute, because processes and other shells have working directories of their own.
    """
    given = {name.upper(): getattr(settings, name) for name in sorted(settings.model_fields_set)}
    env = {
        name: str(value.resolve()) if isinstance(value, Path) else os.environ[name]
        for name, value in given.items()
        if name in os.environ and not name.startswith("NOTIFIER_")
    }
    env["DATABASE_URL"] = settings.sqlalchemy_url
    env["PUBLIC_URL"] = settings.public_url or ports.web_url
    if broker is not None:
        env["REDIS_URL"] = broker.url
    if with_inbox:
        env |= {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(ports.smtp), "INBOX_URL": ports.inbox_url}
    # The values that were found count for all processes, and not the files from which they came.
    return env | {f"{name}{SUFFIX}": "" for name in env if f"{name}{SUFFIX}" in os.environ}


def python_env(*folders: Path) -> dict[str, str]:
    """Return the environment in which `python -m` finds `folders` and notifier, but no working directory."""
    first = [str(folder) for folder in (*folders, resources.checkout()) if folder is not None]
    path = os.pathsep.join(filter(None, [*first, os.environ.get("PYTHONPATH")]))
    return {"PYTHONPATH": path, "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}


def run_up(settings: Settings, wishes: Wishes, data_dir: Path, prepare: Callable[[Mapping[str, str]], None]) -> None:
    """Start the stack and run until a signal. `prepare` gets the environment and upgrades the database."""
    with_inbox = "mail_server" not in settings.model_fields_set
    ports = choose_ports(wishes, with_inbox)
    broker = own_broker(settings, data_dir, (ports.web, ports.inbox, ports.smtp, ports.bounces))
    shared = stack_env(settings, ports, broker, with_inbox)
    env = {**shared, "NOTIFIER_DATA_DIR": str(data_dir), **python_env()}
    prepare(env)
    waves = make_plan(ports, env, broker=broker, with_inbox=with_inbox, run_dir=data_dir / "run")
    console = Console(sys.stdout, [child.name for wave in waves for child in wave])
    # Celery and gunicorn import from their working directory: not from a folder that may hold a `redis.py`.
    supervisor = Supervisor(waves, cwd=data_dir, log_dir=data_dir / "log", console=console)
    with up_env(data_dir, shared), known_to_others(data_dir):
        supervisor.run(lambda: console.say(banner(settings, ports, shared["PUBLIC_URL"], data_dir, with_inbox)))


def banner(settings: Settings, ports: Ports, public_url: str, data_dir: Path, with_inbox: bool) -> str:
    """Print the addresses to open."""
    rows = [
        ("web", public_url),
        ("admin", f"{public_url}/admin/"),
        *([("login", login)] if (login := first_login(data_dir)) else []),
        ("inbox", ports.inbox_url) if with_inbox else ("SMTP", f"{settings.mail_server}:{settings.mail_port}"),
        *([("bounces", f"lmtp 127.0.0.1:{ports.bounces}")] if with_inbox else []),
        ("data", str(data_dir)),
        ("logs", str(data_dir / "log")),
    ]
    return addresses("notifier is up", rows)


def addresses(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """Return what is printed once everything runs: names with addresses, folders and the like."""
    lines = [f"  {name:<8} {value}" for name, value in rows]
    return "\n".join(["", title, "", *lines, "", "Press Ctrl-C to stop.", ""])
