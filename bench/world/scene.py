"""One act of the world: a fresh ledger, a relay, a worker, a reader, a sweeper, and an operator."""

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench.children import ChildError, clean_env
from bench.faults.scene import Sweeper, Worker
from bench.faults.stage import SECRET, Stage
from bench.mails import ROOT
from bench.world.people import Fate
from bench.world.relay import Relay
from notifier import clock
from notifier.campaigns.editing import create
from notifier.dev.ports import wait_until
from notifier.extensions import db
from notifier.models import CampaignRun
from notifier.services import services_of

WORDS = {"subject": "News", "heading": "What is new", "paragraphs": ["One thing.", "Another thing."]}
#: Worker processes that send.
PROCESSES = 2
#: The longest time of a command, in seconds.
LIMIT = 120.0


class World:
    """The processes of one act. All of them end with `stack`."""

    def __init__(
        self,
        stage: Stage,
        stack: ExitStack,
        fates: Mapping[str, Fate],
        *,
        direct: bool = False,
    ) -> None:
        """Start them."""
        stage.forget()
        self.stage = stage
        self._begun = time.monotonic()
        self._folder = Path(tempfile.mkdtemp(dir=stage.folder))
        self._maildir = self._folder / "Maildir"
        self.relay = stack.enter_context(Relay(self._maildir, fates, direct=direct))
        sweeper = Sweeper(stage.app, 1.0, ("sweep", "tick", "customers"))
        stack.callback(sweeper.stop)
        argv = [
            sys.executable, "-m", "celery", "-A", "bench.world.worker:celery_app", "worker",
            "-Q", "notifier.transactional,notifier.bulk,notifier.expansion", "--pool", "prefork",
            "--concurrency", str(PROCESSES), "-n", "world@%h", "--without-gossip", "--without-mingle",
            "--loglevel", "WARNING",
        ]  # fmt: skip
        worker = Worker("world", argv, self._env(), self._folder)
        stack.callback(worker.stop)
        worker.wait()
        self._stop = threading.Event()
        self._reader = threading.Thread(target=self._read, name="reader", daemon=True)
        self._reader.start()
        stack.callback(self._end_reading)

    def tell(self, what: str) -> None:
        """Print a line of the timeline."""
        sys.stdout.write(f"  {time.monotonic() - self._begun:6.1f} s  {what}\n")
        sys.stdout.flush()

    def announce(self, name: str, *, rate: float, user_to: int) -> int:
        """Create a campaign to the users up to that key, due at once. Return the key of its run."""
        now = clock.now()
        values = {
            "name": name, "kind": "announcement", "once_at": now + timedelta(seconds=1), "settings": WORDS,
            "rate": rate, "capped": False, "audience": {"verified": "any", "user_to": user_to},
        }  # fmt: skip
        with self.stage.app.app_context():
            create(db.session(), values, services_of(self.stage.app).kinds, now=now)
            db.session.commit()
            db.session.remove()
        query = """SELECT r.id FROM notifier_campaign_runs AS r JOIN notifier_campaigns AS c ON c.id = r.campaign_id
            WHERE c.name = %s"""
        if not wait_until(lambda: bool(self.stage.execute(query, name)), 30, pause=0.2):
            raise ChildError(f"the campaign {name} has no run")
        return int(self.stage.execute(query, name)[0][0])

    def run(self, pk: int) -> CampaignRun:
        """Return the run as it is stored now."""
        with self.stage.app.app_context():
            found = db.session.get_one(CampaignRun, pk)
            db.session.expunge(found)
            db.session.remove()
        return found

    def count(self, where: str, *values: Any) -> int:
        """Count rows of the ledger."""
        return int(self.stage.execute(f"SELECT count(*) FROM notifier_notifications WHERE {where}", *values)[0][0])

    def suppressed(self) -> set[str]:
        """Return the suppressed addresses."""
        return {row[0] for row in self.stage.execute("SELECT identity_key FROM notifier_suppressions")}

    def command(self, *words: str) -> str:
        """Run a command of notifier, as an operator would. Return its output. Raise ChildError if it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "notifier", *words], env=self._env(), cwd=ROOT, capture_output=True, text=True,
            check=False, timeout=LIMIT,
        )  # fmt: skip
        if done.returncode:
            raise ChildError(f"notifier {' '.join(words)} ended with {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout

    def answer(self, *words: str) -> dict[str, Any]:
        """Run a command with --json. Return its answer, without the lines that development logs beside it."""
        lines = self.command(*words, "--json").splitlines()
        found: dict[str, Any] = json.loads(next(line for line in reversed(lines) if line.startswith("{")))
        return found

    def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until the condition is true. Return whether it is in time."""
        return wait_until(condition, seconds, pause=0.25)

    def _env(self) -> dict[str, str]:
        return clean_env(
            {
                "NOTIFIER_ENV": "test",  # Production needs TLS and refuses root, which does not fit loopback.
                "NOTIFIER_DATA_DIR": str(self.stage.folder),
                "SECRET_KEYS": SECRET,
                "DATABASE_URL": self.stage.postgres.url("faults"),
                "REDIS_URL": self.stage.valkey.url,
                "MAIL_SERVER": self.relay.server.host,
                "MAIL_PORT": str(self.relay.server.port),
                "MAIL_SUPPRESS_SEND": "0",
                "MAIL_BOUNCE_ADDRESS": "b+@bounces.example.org",
            }
        )

    def _read(self) -> None:
        """Read what came back every second, as a timer of the system would."""
        while not self._stop.wait(1.0):
            if any((self._maildir / "new").iterdir()):
                found = self.answer("bounces", "read", "--maildir", str(self._maildir))
                if found["unreadable"] or found["effects"]["waiting"]:
                    self.tell(f"`bounces read` left something: {found}")

    def _end_reading(self) -> None:
        self._stop.set()
        self._reader.join(LIMIT)
