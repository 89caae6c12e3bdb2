"""`python -m tests.fuzz_webhooks --minutes 10`: hostile posts to the webhooks of an application. It stops by itself.

Documented payloads are changed at random places, with real proofs; others have changed bytes, headers or proofs. Each
answer must be 200, 400, 401, 404, 413 or 503 with Retry-After, within MAX_SECONDS; emails that no post names stay as
they are. With a mistake it stores the post in `--keep` and exits with 1. `--seed` repeats a run.
"""

import argparse
import json
import logging
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from notifier.app import create_app
from notifier.extensions import db
from notifier.models import Notification
from notifier.testing import clocks
from notifier.testing.applications import close, migrate
from notifier.testing.settings import make_settings
from tests.support.applications import make_owed
from tests.support.webhook_payloads import PAYLOADS
from tests.support.webhook_world import with_aws
from tests.support.webhooks import PROVIDERS, Aws, Signed, confirmation, settings, signed

#: Seconds that one post may take.
MAX_SECONDS = 5.0
MAX_EVENTS = 40
ALLOWED = {200, 400, 401, 404, 413, 503}
KINDS = ("bounce", "complaint", "delivered", "unknown")
#: What parsers and databases stumble over.
VALUES: list[Any] = [
    None, True, "", [], {}, 0, -1, 1e308, float("nan"), 10**30, "\0", "\ud800", "x" * 5000, "a@b" * 200, "9" * 30,
    [[]] * 50, {"a": {"b": {}}}, "1.aaaaaaaaaaaaaaaa", "<n1.aaaaaaaaaaaaaaaa@x>", "Permanent", "hard_bounce", "failed",
    "smtp; 550 5.1.1 no such user", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59+23:59", "0001-01-01T00:00:00-23:59",
    "\u202e", "b+1.aaaaaaaaaaaaaaaa@x", 1e11, "1e400", "\ufffe", "%00", "'; DROP TABLE notifier_users; --",
]  # fmt: skip


def changed(value: Any, chance: random.Random) -> Any:
    """Return a payload with something else at one place."""
    if not isinstance(value, dict | list) or not value or chance.random() < 0.1:
        return chance.choice(VALUES)
    if isinstance(value, list):
        place = chance.randrange(len(value))
        return [*value[:place], changed(value[place], chance), *value[place + 1 :]] * chance.choice((1, 1, 1, 12))
    name = chance.choice(sorted(value))
    if chance.random() < 0.1:
        return {key: each for key, each in value.items() if key != name}
    return value | {name: changed(value[name], chance)}


def made(chance: random.Random) -> Signed:
    """Return one hostile post."""
    provider = chance.choice(PROVIDERS)
    claim = chance.choice(("", "2.aaaaaaaaaaaaaaaa", "99999999999999999999.aaaaaaaaaaaaaaaa", "x"))
    what = PAYLOADS[provider](chance.choice(KINDS), claim, "user2@example.com")
    for _ in range(chance.randint(0, 6)):
        what = changed(what, chance)
    if isinstance(what, list):
        # How long many events take is a question of the database, not of what is in them.
        what = what[:MAX_EVENTS]
    post = signed(provider, what) if provider != "ses" or chance.random() < 0.95 else confirmation()
    if chance.random() < 0.3:
        body = bytearray(post.body)
        for _ in range(chance.randint(1, 8)):
            place = chance.randint(0, len(body))
            body[place : place + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
        post = post.with_body(lambda _: bytes(body))
    if chance.random() < 0.1:
        name = chance.choice(sorted(post.headers))
        value = "".join(chr(chance.randint(32, 255)) for _ in range(chance.randint(0, 60)))
        post = Signed(provider, {**post.headers, name: value}, post.body)
    return post


def main() -> None:
    """Fuzz until the time is over, or until the first mistake."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--keep", type=Path, default=Path("fuzz-webhook.json"))
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder, clocks.frozen():
        sys.exit(run(Path(folder), options.seed, options.minutes * 60, options.keep))


def run(folder: Path, seed: int, seconds: float, keep: Path) -> int:
    """Post until the time is over. Return the exit code."""
    url = f"sqlite:///{folder / 'notifier.db'}"
    migrate(url)
    app = create_app(make_settings(database_url=url, **settings()), publish=lambda keys, bulk: None)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    with_aws(app, Aws())
    with app.app_context():
        make_owed(1, status="sent", sent_at=clocks.NOON)
    client, console, counts, slowest = app.test_client(), Console(width=100, highlight=False), dict[int, int](), 0.0
    chance, end = random.Random(seed), time.monotonic() + seconds
    while time.monotonic() < end:
        post = made(chance)
        begin = time.monotonic()
        answer = client.post(f"/v1/inbound/{post.provider}", data=post.body, headers=dict(post.headers),
                             base_url="http://notifier.test")  # fmt: skip
        took = time.monotonic() - begin
        slowest = max(slowest, took)
        counts[answer.status_code] = counts.get(answer.status_code, 0) + 1
        late = answer.status_code == 503 and "Retry-After" not in answer.headers
        if answer.status_code not in ALLOWED or late or took > MAX_SECONDS:
            keep.write_text(json.dumps([post.provider, dict(post.headers), repr(post.body)]))
            console.print(f"seed {seed}: {answer.status_code} after {took:.2f} s; the post is kept in {keep}")
            return 1
    with app.app_context():
        intact = db.session.get_one(Notification, 1).status == "sent"
    close(app)
    console.print(f"seed {seed}: {sum(counts.values()):,} posts, {counts}; the slowest took {slowest * 1000:.0f} ms")
    return 0 if intact else 1


if __name__ == "__main__":
    main()
