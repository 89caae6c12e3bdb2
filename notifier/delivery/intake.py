"""Claims a batch's rows, a chunk at a time, and takes a last look at them. Done aside, ahead of the sending."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.delivery.aside import Aside
from notifier.delivery.leases import Leases
from notifier.delivery.recheck import Look, Recheck
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
        self, session: Callable[[], Session], recheck: Recheck, aside: Aside, *, leases: Leases, owner: str
    ) -> None:
        """`session` gives the current session of whichever thread `aside` uses; `owner` is the journal's name."""
        self._session = session
        self._recheck = recheck
        self._aside = aside
        self._leases = leases
        self._owner = owner

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
                yield row, chunk.look
            if following is None:
                if start >= len(pks) or not is_open():
                    return
                following = self._aside(self._take, pks[start : start + CHUNK])  # there was nothing to claim
            coming = following

    def _take(self, pks: Sequence[int]) -> _Chunk:
        lease_from = self._leases.now()
        session = self._session()
        rows = ledger.claim(
            session, pks, now=clock.now(), lease=self._leases.length, owner=self._owner, lease_from=lease_from
        )
        session.commit()
        return self._again(rows, 0)

    def _again(self, rows: list[Claimed], index: int) -> _Chunk:
        looked = time.monotonic()
        try:
            look = self._recheck.look(rows[index:])
        except DBAPIError:
            raise
        except Exception as error:
            # A kind that fails, whatever it does: it must not take the transactional mail along.
            look = Look(fault=error)
        return _Chunk(rows, look, looked)
