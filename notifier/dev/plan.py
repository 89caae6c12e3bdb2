"""The processes of `up`, and of applications that embed notifier: their commands, and how to tell that they work."""

import http.client
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from notifier.dev.broker import Broker, is_ready
from notifier.dev.child import Child
from notifier.dev.ports import answers

#: Where Celery finds notifier's own application.
OURS = "notifier.wsgi:celery_app"
FOUR_THREADS = ["--pool", "threads", "--concurrency", "4"]
TWO_PROCESSES = ["--pool", "prefork", "--concurrency", "2"]
QUIET_WORKER = ["--without-gossip", "--without-mingle", "--loglevel", "WARNING"]

#: The queues of the two workers: people's own emails, the jobs of beat and webhooks; campaigns.
OWN_EMAIL = "notifier.transactional,notifier.control,notifier.webhooks"
CAMPAIGNS = "notifier.bulk,notifier.expansion"
#: A developer's application has only a few users, so one worker reads all queues.
ALL_QUEUES = f"{OWN_EMAIL},{CAMPAIGNS}"

#: Seconds. A developer should not wait as long as production may.
STOP_GRACE = "12"

#: Warnings hidden on a developer's machine, in Python's syntax: the action and the beginning of the text.
ROOT_IS_FINE_HERE = "ignore:You're running the worker with superuser privileges"


@dataclass(frozen=True)
class Ports:
    """The addresses of the stack. Web and inbox listen on `host`; SMTP, bounces and broker stay on loopback."""

    host: str
    web: int
    inbox: int
    smtp: int
    bounces: int

    @property
    def probe_host(self) -> str:
        """Return the address at which this machine reaches servers that listen on `host`."""
        return "127.0.0.1" if self.host in {"0.0.0.0", "::", ""} else self.host

    @property
    def web_url(self) -> str:
        """Return the URL for a browser on this machine."""
        return f"http://{bracketed(self.probe_host)}:{self.web}"

    @property
    def inbox_url(self) -> str:
        """Return the URL for a browser on this machine."""
        return f"http://{bracketed(self.probe_host)}:{self.inbox}"


def make_plan(
    ports: Ports, env: Mapping[str, str], *, broker: Broker | None, with_inbox: bool, run_dir: Path
) -> list[list[Child]]:
    """Return waves of children in the order of starting; each needs those before it."""
    run_dir.mkdir(parents=True, exist_ok=True)
    return [
        [broker_child(broker)] if broker else [],
        [inbox_child(ports, env, admin_url=f"{env['PUBLIC_URL']}/admin/")] if with_inbox else [],
        [
            *([bounces_child(["notifier"], ports, env)] if with_inbox else []),
            worker_child(OURS, "worker", "mail", OWN_EMAIL, FOUR_THREADS, env, run_dir),
            worker_child(OURS, "bulk", "bulk", CAMPAIGNS, TWO_PROCESSES, env, run_dir),
            beat_child(OURS, env),
        ],
        [_web(ports, env)],
    ]  # fmt: skip


def celery_command(application: str) -> list[str]:
    """Return the beginning of Celery's command lines, without its banners, which say nothing beyond the addresses."""
    return [sys.executable, "-m", "celery", "--quiet", "-A", application]


def broker_child(broker: Broker) -> Child:
    """Return the broker, which the others need."""
    return Child("broker", broker.argv, ready=partial(is_ready, broker.host, broker.port, broker.password), gate=True)


def inbox_child(ports: Ports, env: Mapping[str, str], *, admin_url: str) -> Child:
    """Return the inbox: a mail server, and the pages that show its emails. `admin_url`: empty if there is none."""
    argv = [
        sys.executable, "-m", "notifier.dev.inbox",
        "--host", ports.host, "--http-port", str(ports.inbox), "--smtp-port", str(ports.smtp),
        "--bounce-port", str(ports.bounces), "--admin-url", admin_url,
    ]  # fmt: skip
    return Child("inbox", argv, env, ready=lambda: answers(ports.probe_host, ports.inbox), stop_seconds=3)


def bounces_child(command: list[str], ports: Ports, env: Mapping[str, str], prefix: str = "") -> Child:
    """Return the listener for what comes back, to which the inbox sends.

    Args:
        command: How `python -m` runs the command of notifier, standing alone or embedded.
        ports: The addresses of the stack.
        env: The environment of its processes.
        prefix: What the names of settings begin with there.
    """
    own = {
        "BOUNCE_LISTEN_HOST": "127.0.0.1",
        "BOUNCE_LISTEN_PORT": str(ports.bounces),
        "BOUNCE_LISTEN_PROTOCOL": "lmtp",
        "BOUNCE_LISTEN_NETWORKS": "127.0.0.0/8",
        "STOP_GRACE": "3",
    }
    argv = [sys.executable, "-m", *command, "bounces", "listen"]
    own = {f"{prefix}{name}": value for name, value in own.items()}
    return Child("bounces", argv, {**env, **own}, ready=lambda: answers("127.0.0.1", ports.bounces), stop_seconds=5)


def worker_child(
    application: str, name: str, node: str, queues: str, pool: list[str], env: Mapping[str, str], run_dir: Path
) -> Child:  # fmt: skip
    """Return a worker of notifier, standing alone or embedded. `application`: such as "shop.wsgi:notifier_celery"."""
    ready_file = run_dir / f"{name}.ready"
    argv = [*celery_command(application), "worker", "-n", f"{node}@%h", "-Q", queues, *pool, *QUIET_WORKER]
    own = {"STOP_GRACE": STOP_GRACE, **env, "NOTIFIER_READY_FILE": str(ready_file), "PYTHONWARNINGS": ROOT_IS_FINE_HERE}
    return Child(name, argv, own, ready_file=ready_file, stop_seconds=float(own["STOP_GRACE"]) + 3)


def beat_child(application: str, env: Mapping[str, str]) -> Child:
    """Return the scheduler of notifier, standing alone or embedded."""
    return Child("beat", [*celery_command(application), "beat", "--pidfile=", "-S", "celery.beat:Scheduler"], env)


def _web(ports: Ports, env: Mapping[str, str]) -> Child:
    argv = [
        sys.executable, "-m", "gunicorn", "-c", "python:notifier.gunicorn_conf", "notifier.wsgi:app",
        "--bind", f"{bracketed(ports.host)}:{ports.web}", "--workers", "1", "--graceful-timeout", "5",
    ]  # fmt: skip
    return Child("web", argv, env, ready=lambda: is_healthy(ports.probe_host, ports.web))


def bracketed(host: str) -> str:
    """Return an IPv6 address with brackets, as URLs need it."""
    return f"[{host}]" if ":" in host else host


def is_healthy(host: str, port: int) -> bool:
    """Return True if GET /readyz answers 200."""
    connection = http.client.HTTPConnection(host, port, timeout=1)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
