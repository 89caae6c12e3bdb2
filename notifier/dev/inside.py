"""`flask notifier up`: what an application that embeds notifier needs beside it on a developer's machine."""

import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from notifier.config.settings import Settings
from notifier.dev.broker import Broker
from notifier.dev.child import Child
from notifier.dev.console import Console
from notifier.dev.plan import (
    ALL_QUEUES,
    FOUR_THREADS,
    Ports,
    beat_child,
    bounces_child,
    broker_child,
    inbox_child,
    worker_child,
)
from notifier.dev.stack import Wishes, addresses, choose_ports, own_broker, python_env
from notifier.dev.supervisor import Supervisor
from notifier.dev.upenv import up_env

#: The Celery of the application that `FLASK_APP` names.
CELERY = "notifier.hosting.worker"


def run_inside(settings: Settings, wishes: Wishes, env: Mapping[str, str], folder: Path) -> None:
    """Start broker, inbox, worker and scheduler, and run until a signal.

    The host's own web process is another command, which finds the addresses in `up.env`.

    Args:
        settings: Those of notifier in the host.
        wishes: The ports; that of the web is where the host will listen, and 0 leaves PUBLIC_URL as it is.
        env: What the processes need to load the host, such as `FLASK_APP`.
        folder: The working directory in which they load it.
    """
    data_dir = settings.notifier_data_dir.resolve()
    with_inbox = "mail_server" not in settings.model_fields_set
    ports = choose_ports(wishes, with_inbox, with_web=False)
    broker = own_broker(settings, data_dir, (ports.inbox, ports.smtp, ports.bounces))
    found = addresses_found(settings, ports, broker, with_inbox)
    inside = {**env, **{f"NOTIFIER_{name}": value for name, value in found.items()}, **python_env()}
    public_url = found.get("PUBLIC_URL", settings.public_url)
    run_dir = data_dir / "run"
    run_dir.mkdir(exist_ok=True)
    waves: list[list[Child]] = [
        [broker_child(broker)] if broker else [],
        [inbox_child(ports, inside, admin_url=_admin_url(public_url))] if with_inbox else [],
        [
            *([bounces_child(["flask", "notifier"], ports, inside, "NOTIFIER_")] if with_inbox else []),
            worker_child(CELERY, "worker", "mail", ALL_QUEUES, FOUR_THREADS, inside, run_dir),
            beat_child(CELERY, inside),
        ],
    ]
    console = Console(sys.stdout, [child.name for wave in waves for child in wave])
    inbox = ("inbox", ports.inbox_url) if with_inbox else ("SMTP", f"{settings.mail_server}:{settings.mail_port}")
    rows = [
        inbox,
        ("links", public_url),
        ("data", str(data_dir)),
        ("logs", str(data_dir / "log")),
    ]
    title = "notifier is up. Start your application in another terminal, with: flask run"
    supervisor = Supervisor(waves, cwd=folder, log_dir=data_dir / "log", console=console)
    with up_env(data_dir, found):
        supervisor.run(lambda: console.say(addresses(title, rows)))


def _admin_url(public_url: str) -> str:
    """Return where the admin is: below the path at which our pages are mounted. Empty if they are not mounted."""
    return f"{public_url}/admin/" if urlsplit(public_url).path else ""


def addresses_found(settings: Settings, ports: Ports, broker: Broker | None, with_inbox: bool) -> dict[str, str]:
    """Return, by the names of settings, what the processes of the host must know."""
    found = {"PUBLIC_URL": f"{ports.web_url}{urlsplit(settings.public_url).path}"} if ports.web else {}
    if broker is not None:
        found["REDIS_URL"] = broker.url
    if with_inbox:
        # The host may have chosen TLS for the server that it names in production.
        inbox = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(ports.smtp), "MAIL_USE_TLS": "0", "MAIL_USE_SSL": "0"}
        found |= inbox | {"INBOX_URL": ports.inbox_url}
    return found
