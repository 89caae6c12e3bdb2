"""A sender of notifier in a process of its own: `python -m tests.support.embedded_sender URL`.

The URL is that of the database of a host. It prints "ready", sends what is due until its standard input ends, and then
prints how many emails it sent.
"""

import select as readiness
import sys

from sqlalchemy import select

from notifier import clock
from notifier.app import create_app
from notifier.extensions import db
from notifier.models import Notification, Status
from notifier.services import services_of
from notifier.testing.mail_server import FakeMailServer
from tests.support.applications import make_settings


def main(url: str) -> None:
    """Send until the standard input ends."""
    app = create_app(make_settings(database_url=url))
    server = FakeMailServer().attach(app)
    _say("ready")
    with app.app_context():
        while not readiness.select([sys.stdin], [], [], 0.002)[0]:
            is_due = (Notification.status == Status.pending, Notification.next_attempt_at <= clock.now())
            keys = db.session.scalars(select(Notification.id).where(*is_due)).all()
            db.session.rollback()
            if keys:
                services_of(app).sender.deliver(keys, bulk=False)
        db.session.remove()
        db.engine.dispose()
    _say(str(len(server.sent)))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
