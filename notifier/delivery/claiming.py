"""Claim a batch's rows chunk by chunk and recheck them, in the side thread, ahead of the sending."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.delivery.measuring import Measures
from notifier.delivery.recheck import Recheck, RecheckResult
from notifier.delivery.recovery.journal import Page
from notifier.delivery.recovery.leases import Leases
from notifier.delivery.side_thread import SideThread
from notifier.ledger import Claimed

#: Rows claimed in one statement. A crashed host leaves up to three times as many unsettled: the chunk being sent, the
#: next one, and settlements that wait to be stored.
CHUNK = 250

#: Seconds for which the recheck of a campaign's email holds.
RECHECK_TTL_SECONDS = 1.0
#: If the database is so slow that a recheck takes longer, it holds this many times as long as it took: otherwise it
#: would be over when it arrives, and each email would wait for one of its own.
SLOW_RECHECK = 2.0


@dataclass(frozen=True, slots=True)
class _Chunk:
    rows: list[Claimed]
    look: RecheckResult
    #: When the recheck no longer holds, in monotonic seconds.
    until: float


class Intake:
    """The claimed rows of one portion, each with the result of its recheck."""

    def __init__(
        self,
        session: Callable[[], Session],
        recheck: Recheck,
        side_thread: SideThread,
        page: Page,
        *,
        leases: Leases,
        alone_from: int,
        id_keys: Sequence[str],
        redirects: Callable[[Claimed], bool] | None = None,
        measures: Measures,
    ) -> None:
        """Claim rows in the name of `page`.

        Args:
            session: Returns the current session of the thread that `side_thread` uses.
            alone_from: Rows on which this many processes crashed are skipped, and their keys put into `solitary`.
            id_keys: The names of the keys that can sign an email's id, the newest last.
            measures: Counts what is claimed.
            redirects: Whether staging sends this email to another address. None: no staging.
        """
        self._session = session
        self._recheck = recheck
        self._side_thread = side_thread
        self._page = page
        self._leases = leases
        self._alone_from = alone_from
        self._id_keys = id_keys
        self._redirects = redirects
        self._measures = measures
        #: Keys of rows to be composed alone.
        self.solitary: list[int] = []

    def rows(self, pks: Sequence[int], is_open: Callable[[], bool]) -> Iterator[tuple[Claimed, RecheckResult]]:
        """Yield the rows claimed, each with a recheck that holds, for as long as `is_open()`.

        The next chunk is claimed when half of this one is done.
        """
        coming = self._side_thread(self._take, pks[:CHUNK])
        for start in range(CHUNK, len(pks) + CHUNK, CHUNK):
            chunk = coming.result()
            following: Future[_Chunk] | None = None
            for index, row in enumerate(chunk.rows):
                if index == len(chunk.rows) // 2 and start < len(pks) and is_open():
                    following = self._side_thread(self._take, pks[start : start + CHUNK])
                if row.run_id is not None and time.monotonic() > chunk.until:
                    chunk = self._side_thread(self._again, chunk.rows, index, chunk.look).result()
                self._page.makes(row.id)
                yield row, chunk.look
            if following is None:
                if start >= len(pks) or not is_open():
                    return
                # Nothing of this chunk could be claimed.
                following = self._side_thread(self._take, pks[start : start + CHUNK])
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
            id_keys=self._id_keys,
        )
        if self._redirects is not None and (elsewhere := [row.id for row in rows if self._redirects(row)]):
            ledger.mark_redirected(session, elsewhere)
        session.commit()
        self._measures.claimed(len(pks), len(rows))
        if len(rows) < len(pks):
            claimed = {row.id for row in rows}
            left = [pk for pk in pks if pk not in claimed]
            self.solitary += ledger.due_alone(session, left, now=now, alone_from=self._alone_from)
            session.rollback()
        return self._again(rows, 0)

    def _again(self, rows: list[Claimed], index: int, before: RecheckResult | None = None) -> _Chunk:
        """Recheck the rows from `index` on. `before`: the result of an earlier recheck."""
        looked = time.monotonic()
        planned = [row.id for row in rows[index:] if row.run_id is not None]
        if planned:
            self._page.loads(planned)
        try:
            look = self._recheck.look(rows[index:], data=before.data if before else None)
        except DBAPIError:
            raise
        except Exception as error:
            # An email kind failed. It must not hold up the transactional emails of this chunk.
            look = RecheckResult(fault=error)
        finally:
            if planned:
                self._page.loads(())
        return _Chunk(rows, look, looked + max(RECHECK_TTL_SECONDS, SLOW_RECHECK * (time.monotonic() - looked)))
