"""The contenders: their preparation, their processes, and how to tell that they are done."""

import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import psycopg

from bench.children import Child
from bench.servers import SECRET, Stage
from notifier.config.settings import Settings
from notifier.smtp.connection_count import START

#: Worker processes of every contender.
PROCESSES = 2

WORKER_OPTIONS = ["--concurrency", str(PROCESSES), "--pool", "prefork", "--without-gossip", "--without-mingle"]
_QUIET = ["--loglevel", "WARNING"]


@dataclass(frozen=True)
class Setting:
    """One run: a number of emails to a sink at `smtp_port` that answers after `delay_ms`."""

    stage: Stage
    folder: Path
    smtp_port: int
    delay_ms: float
    mails: int

    def env(self, **extra: str) -> dict[str, str]:
        """Return the environment of the processes of this run."""
        own = {"BENCH_MAILS": str(self.mails), "BENCH_SMTP_PORT": str(self.smtp_port)}
        return self.stage.env() | own | extra

    def start(self, stack: ExitStack, name: str, argv: list[str], env: Mapping[str, str]) -> Child:
        """Start a process that stops with `stack`."""
        return stack.enter_context(Child(name, argv, env, self.folder))


class Contender(ABC):
    """One way of sending."""

    name: ClassVar[str]
    #: One line for the table's legend.
    how: ClassVar[str]
    #: Replies that one email waits for. It decides how many emails a run with slow replies can have.
    round_trips: ClassVar[float]
    #: Below this delay in milliseconds it does not take part.
    least_delay: ClassVar[float] = 0.0

    def connections(self, delay_ms: float) -> int:
        """Return the connections of all its processes together."""
        return PROCESSES

    def prepare(self, stage: Stage) -> None:  # noqa: B027  # most need nothing
        """Prepare it once, before the first run."""

    def reset(self, stage: Stage) -> None:
        """Remove the traces of the run before."""
        stage.forget()

    @contextmanager
    def processes(self, setting: Setting) -> Iterator[list[Child]]:
        """Yield its processes, ready; the first one gets the "go"."""
        with ExitStack() as stack:
            yield self._start(stack, setting)

    @abstractmethod
    def _start(self, stack: ExitStack, setting: Setting) -> list[Child]: ...

    def settled(self, stage: Stage) -> bool:
        """Return True if it has also stored the outcomes of its emails."""
        return True


class Smtplib(Contender):
    """The fastest simple way, as an upper limit."""

    name = "smtplib"
    how = "smtplib, one connection in each process, emails rendered beforehand; no ledger, no queue"
    round_trips = 4
    options: ClassVar[Sequence[str]] = ()

    def _start(self, stack: ExitStack, setting: Setting) -> list[Child]:
        argv = [sys.executable, "-m", "bench.programs.smtplib_send", *self.options]
        return [setting.start(stack, "send", argv, setting.env())]


class SmtplibWhole(Smtplib):
    """The same work as the others, without their safety."""

    name = "smtplib_whole"
    how = "the same, but it renders while the clock runs, as all the others do"
    options = ("--whole",)


class Tutorial(Contender):
    """The way that most tutorials show."""

    name = "tutorial"
    how = "Flask-Mail `send()` in one Celery task for each email, a new connection each; no ledger"
    round_trips = 7

    def _start(self, stack: ExitStack, setting: Setting) -> list[Child]:
        ready = setting.folder / "worker.ready"
        env = setting.env(NOTIFIER_READY_FILE=str(ready))
        argv = [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "bench.programs.tutorial:celery_app",
            "worker",
            *WORKER_OPTIONS,
            *_QUIET,
        ]
        worker = setting.start(stack, "worker", argv, env)
        sender = setting.start(stack, "send", [sys.executable, "-m", "bench.programs.tutorial_send"], env)
        worker.wait_for(ready)
        return [sender, worker]


class PostOffice(Contender):
    """The best known ledger for Django."""

    name = "post_office"
    how = "django-post_office, `send_many`, then `send_queued_mail --processes 2`, 5 threads each, connections kept"
    round_trips = 4
    #: Its default; 1 and 3 were slower, and so were batches of 500 and 1000.
    threads: ClassVar[int] = 5
    batch: ClassVar[int] = 5000

    def connections(self, delay_ms: float) -> int:
        """Return one for each thread."""
        return PROCESSES * self.threads

    def prepare(self, stage: Stage) -> None:
        """Create its tables, in our database."""
        env = stage.env() | {"BENCH_MAILS": "0", "BENCH_SMTP_PORT": "0", "BENCH_THREADS": "1", "BENCH_BATCH_SIZE": "1"}
        argv = [stage.other_python, "-m", "bench.programs.post_office_send", "--migrate"]
        subprocess.run(argv, env=env, cwd=stage.folder, check=True, timeout=60)

    def reset(self, stage: Stage) -> None:
        """Delete all emails, and leave Postgres nothing to write."""
        stage.execute("TRUNCATE post_office_email CASCADE", "CHECKPOINT")

    def _start(self, stack: ExitStack, setting: Setting) -> list[Child]:
        env = setting.env(BENCH_THREADS=str(self.threads), BENCH_BATCH_SIZE=str(self.batch))
        argv = [setting.stage.other_python, "-m", "bench.programs.post_office_send"]
        return [setting.start(stack, "send", argv, env)]


class PostOfficeThreads(PostOffice):
    """The same with more threads, for slow replies."""

    name = "post_office_50"
    how = "the same with 50 threads in each process"
    threads = 50
    least_delay = 1.0


class Notifier(Contender):
    """The whole of notifier."""

    name = "notifier"
    #: Production refuses root and a server without TLS; see bench/worker.py.
    environment: ClassVar[str] = "test"
    how = "rows by INSERT … SELECT, the outbox, a Celery worker for the queue notifier.bulk; the whole ledger kept"
    round_trips = 2

    def connections(self, delay_ms: float) -> int:
        """Return the most that its processes find by default; if replies come at once, they stay at a few."""
        return PROCESSES * (Settings.model_fields["mail_connections"].default if delay_ms > 0 else START)

    def reset(self, stage: Stage) -> None:
        """Delete all notifications, empty the broker, and leave Postgres nothing to write."""
        stage.forget()
        stage.execute("TRUNCATE notifier_notifications CASCADE", "CHECKPOINT")

    def env(self, setting: Setting) -> dict[str, str]:
        """Return the settings of notifier as a user would set them."""
        return setting.env(
            NOTIFIER_ENV=self.environment,
            NOTIFIER_DATA_DIR=str(setting.folder),
            SECRET_KEYS=SECRET,
            DATABASE_URL=setting.stage.dsn,
            REDIS_URL=setting.stage.valkey.url,
            MAIL_SERVER="127.0.0.1",
            MAIL_PORT=str(setting.smtp_port),
            MAIL_SUPPRESS_SEND="0",
            RATELIMIT_ENABLED="0",
        )

    def start_worker(
        self, stack: ExitStack, setting: Setting, name: str, queues: str, pool: list[str]
    ) -> tuple[Child, Path]:
        """Start a worker. Return it, and the file that it creates when it consumes."""
        ready = setting.folder / f"{name}.ready"
        argv = [sys.executable, "-m", "celery", "-A", "bench.worker:celery_app", "worker", "-n", f"{name}@%h"]
        env = self.env(setting) | {"NOTIFIER_READY_FILE": str(ready)}
        return setting.start(stack, name, [*argv, "-Q", queues, *pool, *_QUIET], env), ready

    def start_sender(self, stack: ExitStack, setting: Setting, *options: str) -> Child:
        """Start the program that creates rows and enqueues them."""
        argv = [sys.executable, "-m", "bench.programs.notifier_send", *options]
        return setting.start(stack, "send", argv, self.env(setting))

    def start_bulk_worker(self, stack: ExitStack, setting: Setting) -> tuple[Child, Path]:
        """Start a worker of the queue notifier.bulk, as the README says."""
        return self.start_worker(stack, setting, "bulk", "notifier.bulk", WORKER_OPTIONS)

    def _start(self, stack: ExitStack, setting: Setting) -> list[Child]:
        worker, ready = self.start_bulk_worker(stack, setting)
        sender = self.start_sender(stack, setting)
        worker.wait_for(ready)
        return [sender, worker]

    def settled(self, stage: Stage) -> bool:
        """Return True if no row is pending or being sent."""
        query = b"SELECT NOT EXISTS (SELECT FROM notifier_notifications WHERE status IN ('pending', 'sending'))"
        with psycopg.connect(stage.dsn) as connection:
            row = connection.execute(query).fetchone()
        return bool(row and row[0])


CONTENDERS: dict[str, Contender] = {
    contender.name: contender
    for contender in (Smtplib(), SmtplibWhole(), Tutorial(), PostOffice(), PostOfficeThreads(), Notifier())
}  # fmt: skip
