"""Claims a batch's rows, a chunk at a time, and takes a last look at them. Done aside, ahead of the sending."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.delivery.recheck import Look, Recheck
from notifier.delivery.recovery.journal import Page
from notifier.delivery.recovery.leases import Leases
from notifier.delivery.side_thread import Aside
from notifier.ledger import Claimed

#: Rows claimed in one statement. A lost host may leave three times as many unsettled: a chunk that is being sent, the
#: next one, and ends that wait to be stored.
CHUNK = 250

#: Seconds for which a last look at campaign mail holds.
FRESH = 1.0


@dataclass(frozen=True, slots=True)
class _Chunk:
    rows: list[Claimed]
    look: Look
    #: Monotonic seconds.
    looked: float


class Intake:
    """The claimed rows of one portion, each with what the last look says of it."""

    def __init__(
        self,
        session: Callable[[], Session],
        recheck: Recheck,
        aside: Aside,
        page: Page,
        *,
        leases: Leases,
        alone_from: int,
    ) -> None:
        """`session` gives the current session of whichever thread `aside` uses; rows are claimed in the name of `page`.

        alone_from: rows that so many processes died of are left for later, in `solitary`.
        """
        self._session = session
        self._recheck = recheck
        self._aside = aside
        self._page = page
        self._leases = leases
        self._alone_from = alone_from
        #: Keys of rows that are to be made alone.
        self.solitary: list[int] = []

    def rows(self, pks: Sequence[int], is_open: Callable[[], bool]) -> Iterator[tuple[Claimed, Look]]:
        """Rows that are ours, for as long as `is_open` says so, with a look at them that is not older than FRESH.

        The next chunk is claimed while half of this one is still to go.
        """
        coming = self._aside(self._take, pks[:CHUNK])
        for start in range(CHUNK, len(pks) + CHUNK, CHUNK):
            chunk = coming.result()
            following: Future[_Chunk] | None = None
            for index, row in enumerate(chunk.rows):
                if index == len(chunk.rows) // 2 and start < len(pks) and is_open():
                    following = self._aside(self._take, pks[start : start + CHUNK])
                if row.run_id is not None and time.monotonic() - chunk.looked > FRESH:
                    chunk = self._aside(self._again, chunk.rows, index).result()
                self._page.makes(row.id)
                yield row, chunk.look
            if following is None:
                if start >= len(pks) or not is_open():
                    return
                following = self._aside(self._take, pks[start : start + CHUNK])  # there was nothing to claim
            coming = following

    def _take(self, pks: Sequence[int]) -> _Chunk:
        lease_from = self._leases.now()
        session, now = self._session(), clock.now()
        rows = ledger.claim(
            session,
            pks,
            now=now,
            lease=self._leases.length,
            owner=self._page.owner,
            lease_from=lease_from,
            alone_from=self._alone_from,
        )
        session.commit()
        if len(rows) < len(pks):
            claimed = {row.id for row in rows}
            left = [pk for pk in pks if pk not in claimed]
            self.solitary += ledger.due_alone(session, left, now=now, alone_from=self._alone_from)
            session.rollback()
        return self._again(rows, 0)

    def _again(self, rows: list[Claimed], index: int) -> _Chunk:
        looked = time.monotonic()
        planned = [row.id for row in rows[index:] if row.run_id is not None]
        if planned:
            self._page.loads(planned)
        try:
            look = self._recheck.look(rows[index:])
        except DBAPIError:
            raise
        except Exception as error:
            # A kind that fails, whatever it does: it must not take the transactional mail along.
            look = Look(fault=error)
        finally:
            if planned:
                self._page.loads(())
        return _Chunk(rows, look, looked)
