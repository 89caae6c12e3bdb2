"""One round of alerts: what changed since the last look, and who is told."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from notifier.alerts.channels import Channels
from notifier.alerts.incidents import Due, State, Times, advance, due
from notifier.alerts.notices import Notice, compose
from notifier.alerts.rows import Store
from notifier.config.settings import Settings
from notifier.observability.causes import Problem
from notifier.observability.watch import Look

log = structlog.get_logger(__name__)

#: Causes that cannot be rows: the table of incidents is in that database.
OF_THE_DATABASE = frozenset({"database", "database writes", "schema"})


class Alerts:
    """Tells operators about causes, once each."""

    def __init__(self, settings: Settings, channels: Channels, rows: Store, file: Store) -> None:
        """Remember causes in `rows`, and those about the database in `file`."""
        self._settings = settings
        self._channels = channels
        self._rows = rows
        self._file = file
        self._times = Times(timedelta(seconds=settings.alert_after), timedelta(seconds=settings.alert_clear_after))

    @property
    def are_set(self) -> bool:
        """Whether the settings name anyone to tell."""
        return self._channels.are_set

    def round(self, look: Look, *, tell: Callable[[str], None] = lambda _: None) -> None:
        """Act on a look. `tell` hears the subject of each piece of news that was taken."""
        current = {problem.key: problem for problem in look.problems}
        ours = {key: problem for key, problem in current.items() if key in OF_THE_DATABASE}
        self._act(self._file, look, ours, tell)
        if ours:
            return  # Rows cannot be read or written now; the other causes are told about afterwards.
        try:
            self._act(self._rows, look, current, tell)
        except SQLAlchemyError as error:
            log.warning("alert.database_away", error=type(error).__name__)

    def test(self, now: datetime) -> bool:
        """Tell operators that this is a test. Return whether one of them took it."""
        text = f"This is a test of notifier on {self._settings.host}. Nothing is wrong.\n"
        notice = Notice(
            f"[{self._settings.product}] Test alert", text, b'{"text": "Test alert of notifier", "state": "test"}'
        )
        return self._channels.tell(notice, now)

    def _act(self, store: Store, look: Look, current: Mapping[str, Problem], tell: Callable[[str], None]) -> None:
        before = store.load()
        states = advance(before, list(current.values()), look.checks, look.at)
        store.save(before, states)
        for state in states.values():
            what = due(state, current, look.at, self._times)
            if what is Due.forget:
                store.forget(state)
            elif what is not Due.nothing:
                self._tell(store, state, what, current.get(state.key), look.at, tell)

    def _tell(
        self, store: Store, state: State, what: Due, problem: Problem | None, now: datetime, tell: Callable[[str], None]
    ) -> None:
        if not self._channels.are_set or not store.claim(state, now):
            return
        notice = compose(state, what, problem, self._settings, now)
        if not self._channels.tell(notice, now):
            return  # The claim ends, and the next round tries again.
        log.info("alert.told", key=state.key, state=str(what))
        tell(notice.subject)
        if what is Due.failing:
            store.told(state, now)
        else:
            store.forget(state)
