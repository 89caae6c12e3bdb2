"""Commands that tell operators about what is wrong, without a monitoring system."""

import signal
import sys
import threading

import click
from flask import Flask

from notifier import clock
from notifier.cli.context import without_database
from notifier.cli.showing import say
from notifier.observability.sign_of_life import alerts_sign
from notifier.services import services_of

NO_ONE = "ALERT_EMAILS and ALERT_WEBHOOK_URL are not set: there is no one to tell"


class NoOneToTell(click.ClickException):
    """The settings name no one to tell. The exit code is that of invalid settings: no restart mends it."""

    exit_code = 3


@click.group()
def alerts() -> None:
    """Tell operators when something is wrong, and when it is well again."""


@alerts.command()
@click.option("--once", is_flag=True, help="Check once and end: for cron or a systemd timer, at least once a minute.")
@without_database
def watch(app: Flask, once: bool) -> None:
    """Check everything again and again, until SIGTERM or Ctrl-C.

    It is a process of its own, so it also notices a silent beat, a frozen broker and a database that is away. It can
    run on several hosts: operators are told once. Exit with 3 if the settings name no one to tell.
    """
    parts = services_of(app)
    if not parts.alerts.are_set:
        raise NoOneToTell(NO_ONE)
    sign = alerts_sign(parts.settings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    while not stop.is_set():
        parts.alerts.round(parts.watch.look(), tell=say)
        sign.show()
        if once:
            return
        stop.wait(parts.settings.alert_interval)


@alerts.command()
@without_database
def test(app: Flask) -> None:
    """Send a test to all operators, by email and to the webhook. Exit with 1 if it reached none of them."""
    parts = services_of(app)
    if not parts.alerts.are_set:
        raise NoOneToTell(NO_ONE)
    if parts.alerts.test(clock.now()):
        say("The test was taken.")
        return
    say("The test reached no one: the log above says why.", err=True)
    sys.exit(1)
