"""`./run example shop`: the shop, its worker, and what notifier needs beside it, until Ctrl-C."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from notifier.config.loading import KEY_FILE, make_development_key
from notifier.dev.broker import Broker
from notifier.dev.child import Child
from notifier.dev.console import Console
from notifier.dev.datalock import data_lock
from notifier.dev.plan import (
    ALL_QUEUES,
    FOUR_THREADS,
    QUIET_WORKER,
    ROOT_IS_FINE_HERE,
    Ports,
    beat_child,
    bounces_child,
    bracketed,
    broker_child,
    celery_command,
    inbox_child,
    worker_child,
)
from notifier.dev.ports import answers
from notifier.dev.stack import PROBLEMS, Wishes, addresses, choose_ports, new_broker, python_env
from notifier.dev.supervisor import Supervisor

HERE = Path(__file__).resolve().parent

FLASK = [sys.executable, "-m", "flask", "--app", "shop.wsgi"]

#: What a new shop needs: tables, products and an admin, and campaigns. Each may run again.
PREPARATIONS = (
    ["db", "upgrade"],
    ["demo"],
    ["notifier", "campaign", "load", "--file", str(HERE / "campaigns.toml")],
)

PORT = click.IntRange(0, 65535)


def environment(ports: Ports, broker: Broker, data: Path) -> dict[str, str]:
    """Return the environment of all processes. `DATABASE_URL` may name a Postgres."""
    return {
        "DATABASE_URL": os.environ.get("DATABASE_URL", f"sqlite:///{data / 'shop.db'}"),
        "REDIS_URL": broker.url,
        "NOTIFIER_DATA_DIR": str(data),
        "NOTIFIER_SECRET_KEYS": (data / KEY_FILE).read_text().strip(),
        "NOTIFIER_PUBLIC_URL": f"{ports.web_url}/mail",
        "NOTIFIER_MAIL_SERVER": "127.0.0.1",
        "NOTIFIER_MAIL_PORT": str(ports.smtp),
        "NOTIFIER_INBOX_URL": ports.inbox_url,
        **python_env(HERE),
    }


def plan(ports: Ports, broker: Broker, env: Mapping[str, str], data: Path) -> list[list[Child]]:
    """Return the processes: each wave needs those before it."""
    run_dir = data / "run"
    run_dir.mkdir(exist_ok=True)
    shop_worker = [*celery_command("shop.wsgi:celery"), "worker", "-n", "shop@%h", "--pool", "solo", *QUIET_WORKER]
    bind = f"{bracketed(ports.host)}:{ports.web}"
    web = [
        sys.executable,
        "-m",
        "gunicorn",
        "shop.wsgi:app",
        "--bind",
        bind,
        "--threads",
        "4",
        "--log-level",
        "warning",
    ]
    return [
        [broker_child(broker)],
        [inbox_child(ports, env, admin_url=f"{env['NOTIFIER_PUBLIC_URL']}/admin/")],
        [
            bounces_child(["flask", "--app", "shop.wsgi", "notifier"], ports, env, "NOTIFIER_"),
            Child("shop", shop_worker, {**env, "PYTHONWARNINGS": ROOT_IS_FINE_HERE}),
            worker_child("shop.wsgi:notifier_celery", "worker", "mail", ALL_QUEUES, FOUR_THREADS, env, run_dir),
            beat_child("shop.wsgi:notifier_celery", env),
        ],
        [Child("web", web, env, ready=lambda: answers(ports.probe_host, ports.web))],
    ]


def prepare(env: Mapping[str, str], folder: Path) -> None:
    """Do the preparations, in processes of their own: this one only supervises."""
    for command in PREPARATIONS:
        if subprocess.run([*FLASK, *command], env={**os.environ, **env}, cwd=folder, check=False).returncode != 0:
            raise click.ClickException(f"`flask {' '.join(command[:2])}` failed; the reason is above.")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address on which shop and inbox listen.")
@click.option("--web-port", default=8000, show_default=True, type=PORT, help="0: any free port.")
@click.option("--inbox-port", default=8025, show_default=True, type=PORT, help="0: any free port.")
@click.option("--smtp-port", default=1025, show_default=True, type=PORT, help="0: any free port.")
@click.option("--bounce-port", default=2401, show_default=True, type=PORT, help="0: any free port.")
@click.option("--data-dir", default=HERE / "var", type=click.Path(file_okay=False, path_type=Path), help="All data.")
def up(host: str, web_port: int, inbox_port: int, smtp_port: int, bounce_port: int, data_dir: Path) -> None:
    """Start the shop with everything that it needs, until Ctrl-C."""
    data = data_dir.resolve()
    os.umask(0o077)
    try:
        with data_lock(data):
            make_development_key(data)
            ports = choose_ports(Wishes(host, web_port, inbox_port, smtp_port, bounce_port), with_inbox=True)
            broker = new_broker(data, (ports.web, ports.inbox, ports.smtp, ports.bounces))
            env = environment(ports, broker, data)
            waves = plan(ports, broker, env, data)
            console = Console(sys.stdout, [child.name for wave in waves for child in wave])
            prepare(env, data)
            rows = [
                ("shop", ports.web_url),
                ("emails", f"{ports.web_url}/mail/admin/"),
                ("inbox", ports.inbox_url),
                ("data", str(data)),
            ]
            supervisor = Supervisor(waves, cwd=data, log_dir=data / "log", console=console)
            supervisor.run(lambda: console.say(addresses("the shop is up", rows)))
    except PROBLEMS as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    up()
