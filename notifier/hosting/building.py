"""Build our Flask application for a host, and put it below a path of the host's."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from flask import Flask

from notifier import clock
from notifier.app import create_app
from notifier.cli import main as cli
from notifier.config.embedded import load_embedded_settings
from notifier.config.settings import Settings
from notifier.embedding.errors import SetupError
from notifier.embedding.host import Built, Host
from notifier.hosting import mounting
from notifier.hosting.operators import asking
from notifier.services import services_of


def build(app: Flask, host: Host, operator: Callable[[], object] | None) -> Built:
    """Return our application for `host`, mounted in `app` if the host wants it. `operator`: see `Notifier.init_app`.

    Raise SetupError if it cannot be mounted, and ConfigError with one line for each mistake in the settings.
    """
    if host.mount:
        mounting.check(app, host.mount)
    _check_templates(host)
    settings = _settings(app, host)
    ours = create_app(settings, host=replace(host, operator=asking(app, operator) if operator else None))
    if host.mount:
        mounting.mount(app, ours, host.mount)
    parts = services_of(ours)

    def enqueue(keys: Sequence[int]) -> bool:
        with ours.app_context():
            return parts.outbox.publish(keys)

    def preferences_link(user_id: int, identity_key: str) -> str:
        return parts.links.preferences(
            user_id=user_id, identity_key=identity_key, notification_id=None, issued_at=clock.now()
        )

    return Built(
        app=ours,
        celery=parts.celery,
        kinds=parts.kinds,
        secret_keys=settings.secret_keys,
        enqueue=enqueue,
        preferences_link=preferences_link if host.mount else None,
        seal=parts.sealer.seal,
        grace=timedelta(seconds=settings.sweep_grace),
        allow_local=settings.allows_local_addresses,
        commands=lambda notifier: cli.build(lambda: ours, host=lambda: notifier, engine=host.engine),
    )


def _check_templates(host: Host) -> None:
    """Raise SetupError, by name, for a kind that lacks a template: its emails could never be rendered."""
    for kind in host.kinds.values():
        for file in ("subject.txt", "body.txt", "body.html"):
            name = f"emails/{kind.name}/{file}"
            if not any((folder / name).is_file() for folder in host.templates):
                places = ", ".join(map(str, host.templates))
                raise SetupError(
                    f"the kind {kind.name!r} has no template {name} in {places}: add it there, or name "
                    "another folder by Notifier(templates=...)"
                )


def _settings(app: Flask, host: Host) -> Settings:
    return load_embedded_settings(
        app.config,
        database_url=host.engine.url.render_as_string(hide_password=False),
        mount=host.mount,
        data_dir=Path(app.instance_path) / "notifier",
        testing=app.testing,
    )
