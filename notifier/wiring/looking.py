"""What looks at everything: probes, the health report, and the watch that the pages ask."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypedDict

from flask import Flask
from sqlalchemy.pool import StaticPool

from notifier import clock
from notifier.alerts.alerts import Alerts
from notifier.alerts.channels import Channels
from notifier.alerts.rows import File, Rows
from notifier.config.settings import Settings
from notifier.database.transaction import read_only
from notifier.delivery.mailer import NO_KEY
from notifier.embedding.host import Host
from notifier.extensions import db
from notifier.observability import healthcheck
from notifier.observability.asking import PROBES_TIMEOUT_SECONDS, Asker, Probe
from notifier.observability.check import HealthCheck
from notifier.observability.database_probe import probe_writes
from notifier.observability.mail_server_probe import probe_mail_server
from notifier.observability.watch import Watch
from notifier.services import services_of
from notifier.tasks.broker_probe import probes
from notifier.webhooks.wire import Wire
from notifier.wiring.broker import Broker, has_broker
from notifier.wiring.foundation import Foundation
from notifier.wiring.sending import Sending

#: Seconds for a look: a little more than the probes inside it may take.
LOOK_SECONDS = PROBES_TIMEOUT_SECONDS + 1.0


class Looking(TypedDict):
    """Parts of `Services`."""

    probes: Callable[[], list[HealthCheck]]
    look: Callable[[], list[HealthCheck]]
    watch: Watch
    alerts: Alerts


def build_looking(base: Foundation, broker: Broker, sending: Sending, host: Host | None) -> Looking:
    """Build the parts. None of them asks anything yet."""
    # A database in memory has one connection, which a second thread would use in the middle of a page's transaction.
    in_memory = host is not None and isinstance(host.engine.pool, StaticPool)
    look = partial(_look, base.app, Asker(patience=LOOK_SECONDS))
    return {
        "probes": _probes(base, broker),
        "look": look,
        "watch": Watch(look, sending.transports.names, every=0 if in_memory else base.settings.status_check_interval),
        "alerts": _alerts(base.settings, sending),
    }


def _alerts(settings: Settings, sending: Sending) -> Alerts:
    transports, deliver = sending.transports, sending.mail.deliver
    servers = [partial(deliver, key=NO_KEY, via=transports.transport(name)) for name in transports.names]
    wire = Wire(loopback=settings.webhook_loopback)
    file = File(settings.notifier_data_dir / "alerts.json")
    return Alerts(settings, Channels(settings, servers, wire), Rows(db.session), file)


def _probes(base: Foundation, broker: Broker) -> Callable[[], list[HealthCheck]]:
    settings = base.settings
    asked: dict[str, Probe] = {
        "clock": partial(healthcheck.clock_check, base.clock, warn_above=settings.database_clock_warn_above),
        "database writes": partial(_writes, base.app),
        **probes(broker.celery, configured=has_broker(settings), settings=settings),
        "mail server": partial(probe_mail_server, settings),
    }
    return partial(Asker().ask, asked)


def _writes(app: Flask) -> HealthCheck:
    with app.app_context():
        return probe_writes(db.engine)


def _look(app: Flask, asker: Asker) -> list[HealthCheck]:
    """Ask everything at once. The answer comes within LOOK_SECONDS, even if a server hangs."""
    return asker.ask({"database": partial(_examine, app), "probes": services_of(app).probes})


def _examine(app: Flask) -> Sequence[HealthCheck]:
    parts = services_of(app)
    with app.app_context():
        read_only()
        return healthcheck.examine(db.session(), clock.now(), parts.schema, rates=bool(parts.limits))
