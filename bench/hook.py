"""Measure the cost of the outbox's hook in a commit: the same commit with and without it, in turns."""

import time
from typing import Any
from uuid import uuid4

from sqlalchemy.orm import Session, sessionmaker

from bench.arithmetic import percentile
from bench.mails import Bench
from bench.servers import SECRET, Stage
from notifier import clock
from notifier.app import create_app
from notifier.config.settings import Settings
from notifier.extensions import db
from notifier.models import Notification
from notifier.services import services_of
from notifier.tasks.after_commit import watch

WARM_UP = 20


def measure_hook(stage: Stage, commits: int) -> dict[str, Any]:
    """Return microseconds of a flush and commit of one new notification, medians of `commits` each."""
    settings = Settings(
        _env_file=None, notifier_env="test", database_url=stage.dsn, redis_url=stage.valkey.url, secret_keys=[SECRET]
    )
    app = create_app(settings)
    with app.app_context():
        plain: sessionmaker[Session] = sessionmaker(db.engine)
        hooked: sessionmaker[Session] = sessionmaker(db.engine)
        watch(hooked)
        taken = _in_turns({"plain": plain, "hooked": hooked}, commits)
        outbox = services_of(app).outbox
        published = outbox.published
        db.engine.dispose()
    stage.forget()
    stage.execute("TRUNCATE notifier_notifications CASCADE")
    medians = {name: percentile(values[WARM_UP:], 0.5) * 1e6 for name, values in taken.items()}
    return {
        "commits": commits,
        "published": published,
        "without_us": medians["plain"],
        "with_us": medians["hooked"],
        "hook_us": medians["hooked"] - medians["plain"],
        "hook_p99_us": (percentile(taken["hooked"], 0.99) - percentile(taken["plain"], 0.99)) * 1e6,
    }


def _in_turns(sessions: dict[str, "sessionmaker[Session]"], commits: int) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in range(commits + WARM_UP):
        for name, make in sessions.items():
            taken[name].append(_commit(make()))
    return taken


def _commit(session: Session) -> float:
    """Return the seconds of flush and commit."""
    now = clock.now()
    key = uuid4().hex
    session.add(Notification(kind=Bench.name, recipient="ada@example.com", dedupe_key=key, params={}, created_at=now))
    start = time.perf_counter()
    session.commit()
    taken = time.perf_counter() - start
    session.close()
    return taken
