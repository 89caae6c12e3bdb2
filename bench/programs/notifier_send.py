"""notifier: ledger rows by INSERT … SELECT, their keys to the outbox. The workers do the rest."""

import select
import sys
import time
from uuid import uuid4

import sqlalchemy as sql
from flask import Flask

from bench.driver import Facts, mails, serve
from bench.fanout import expand
from bench.worker import app
from notifier.extensions import db
from notifier.models import Notification
from notifier.services import services_of

#: Users in one statement: small enough that workers begin early.
CHUNK = 2000

#: Seconds before a key that the broker did not take is handed to it again.
PAUSE = 0.05


def work() -> Facts:
    """Create and enqueue the rows of all users once."""
    with app.app_context():
        refused = sum(_ring(app, keys) for keys in expand(db.session(), uuid4().hex, chunk=CHUNK, users=mails()))
        db.session.remove()
    return {"refused": refused}


def flood() -> Facts:
    """Keep at least half of the bulk emails in flight until the next line comes in."""
    sent = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        work()
        sent += mails()
        while _owed() > mails() // 2:
            time.sleep(0.02)
    return {"bulk": sent}


def _owed() -> int:
    under_way = Notification.bulk & Notification.status.in_(["pending", "sending"])
    with app.app_context():
        owed = db.session.scalar(sql.select(sql.func.count()).where(under_way))
        db.session.remove()
    return owed or 0


def _ring(flask: Flask, keys: list[int]) -> int:
    """Return how often the broker did not take the keys. Enqueueing twice is harmless."""
    outbox = services_of(flask).outbox
    refused = 0
    while not outbox.publish(keys, bulk=True):
        refused += 1
        time.sleep(PAUSE)
    return refused


if __name__ == "__main__":
    serve(flood if "--flood" in sys.argv else work)
