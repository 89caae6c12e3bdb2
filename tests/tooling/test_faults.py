"""The checker of `./run faults` finds what it is there to find, on histories that were made up."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.faults.checker import Wire, judge_kills, tally, wire_at
from bench.faults.history import Kill, Log, Row, Seen
from bench.faults.result import Result


def seen(*lines: str) -> Seen:
    history = Seen()
    history.add(lines)
    return history


def row(pk: int = 1, status: str = "sent", **values: object) -> Row:
    return Row(pk, f"p{pk}@example.com", status, **{"message_id": f"<m{pk}>"} | values)  # type: ignore[arg-type]


def copy(mail: int, pk: int = 1, *, message_id: str = "", session: int = 1, at: float = 1.0) -> list[str]:
    """One accepted mail: begun at `at`, dot 0.1 s later, reply 0.2 s later."""
    who = f"p{pk}@example.com"
    return [
        f"S {session} 0.0",
        f"B {mail} {session} {who} {at}",
        f"A {mail} {session} {message_id or f'<m{pk}>'} {who} {at + 0.1}",
        f"R {mail} {at + 0.2}",
    ]


def found(rows: list[Row], history: Seen) -> set[str]:
    """The invariants that are broken."""
    return {problem.partition(":")[0] for problem in tally(rows, history).problems}


def test_each_sent_once_is_all_well() -> None:
    tallied = tally([row(1), row(2)], seen(*copy(1, 1), *copy(2, 2)))
    assert tallied.problems == []
    assert (tallied.rows, tallied.copies, tallied.extra, tallied.lost, tallied.doubled_or_unknown) == (2, 2, 0, 0, 0)


def test_a_loss_is_found() -> None:
    tallied = tally([row(1), row(2)], seen(*copy(1, 1)))
    assert tallied.lost == 1
    assert tallied.problems == ["I1: row 2 is sent and was never accepted"]


def test_a_body_without_its_dot_is_no_copy() -> None:
    assert tally([row(1)], seen("S 1 0.0", "B 1 1 p1@example.com 1.0")).lost == 1


def test_a_silent_duplicate_is_found() -> None:
    assert found([row(1)], seen(*copy(1), *copy(2))) == {"I2", "I7"}


def test_a_duplicate_that_the_ledger_admits_is_allowed() -> None:
    tallied = tally([row(1, unknowns=1, attempts=2)], seen(*copy(1), *copy(2)))
    assert (tallied.problems, tallied.extra, tallied.doubled_or_unknown) == ([], 1, 1)


def test_copies_with_different_message_ids_are_found() -> None:
    history = seen(*copy(1), *copy(2, message_id="<other>"))
    assert found([row(1, unknowns=1, attempts=2)], history) == {"I2"}


def test_a_mail_with_another_message_id_than_its_row_is_found() -> None:
    assert found([row(1)], seen(*copy(1, message_id="<other>"))) == {"I2"}
    assert found([row(1, message_id=None)], seen(*copy(1, message_id="<other>"))) == set()


@pytest.mark.parametrize("status", ["pending", "sending"])
def test_a_row_that_never_ends_is_found(status: str) -> None:
    assert found([row(1, status)], seen()) == {"I1 I8"}


def test_a_claim_older_than_its_lease_is_found() -> None:
    assert found([row(1, "sending", overdue=True)], seen()) == {"I1 I8", "I8"}


def test_a_mail_without_a_row_is_found() -> None:
    assert found([row(1)], seen(*copy(1), *copy(2, 9))) == {"I3"}


def test_a_failed_row_that_was_accepted_is_found() -> None:
    assert found([row(1, "failed")], seen(*copy(1))) == {"I4"}
    assert found([row(1, "failed", unknowns=1)], seen(*copy(1))) == set()


def test_never_means_that_nothing_is_tried_after_doubt() -> None:
    assert found([row(1, "unknown", unknowns=2, on_unknown="never")], seen()) == {"I4"}
    assert found([row(1, "unknown", unknowns=1, on_unknown="never")], seen()) == set()


def test_where_the_mails_of_a_killed_process_were() -> None:
    history = seen(
        *copy(1, 1, session=1, at=1.0),  # replied at 1.2, long read
        *copy(2, 2, session=2, at=4.9),  # replied at 5.1: on the wire
        "S 3 0.0",
        "B 3 3 p3@example.com 4.0",  # never ended: on the wire
        *copy(4, 4, session=4, at=4.7),  # replied at 4.9, unread
        *copy(5, 5, session=5, at=4.9),  # of a process that lives
        *(f"E {session} cut 5.2" for session in (1, 2)),
        *(f"E {session} reset 5.2" for session in (3, 4)),  # 3 is on the wire anyway
        "E 5 quit 5.3",
    )
    rows = [row(pk) for pk in range(1, 7)]
    wire = wire_at(history, rows, [Kill(5.0, 5.0, frozenset({2, 3, 4, 6}))])
    assert (wire.on_wire, wire.unread, wire.unborn, wire.in_doubt, wire.bound) == (2, 1, 1, 4, 4)
    assert wire.connections == 4
    assert (wire.resets, wire.processes, wire.by_the_server) == (1, 1, 4)
    assert wire.longest_unread == pytest.approx(0.1)


def test_a_session_belongs_to_the_kill_before_its_end() -> None:
    history = seen(*copy(1, 1, session=1, at=4.9), *copy(2, 2, session=2, at=7.9), "E 1 cut 5.1", "E 2 cut 8.0")
    rows = [row(1), row(2)]
    assert wire_at(history, rows, [Kill(5.0, 5.0), Kill(8.0, 8.0)]).on_wire == 2
    assert wire_at(history, rows, [Kill(6.0, 6.0), Kill(8.0, 8.0)]).on_wire == 1


def test_more_doubt_than_the_wire_held_is_found() -> None:
    rows = [row(1, unknowns=1, attempts=2), row(2, "unknown", unknowns=1)]
    tallied = tally(rows, seen(*copy(1), *copy(2)))
    assert judge_kills(tallied, Wire(on_wire=2, in_doubt=2, connections=2)) == []
    assert judge_kills(tallied, Wire(on_wire=1, in_doubt=2, connections=2, processes=1)) == [
        "I2: 2 doubled or unknown, 1 were on the wire"
    ]


def test_more_doubt_than_the_server_saw_is_found() -> None:
    rows = [row(1, unknowns=1, attempts=2), row(2, "unknown", unknowns=1)]
    tallied = tally(rows, seen(*copy(1), *copy(2)))
    believed = Wire(on_wire=1, unread=1, in_doubt=2, connections=2)
    assert judge_kills(tallied, believed) == ["I2: 2 doubled or unknown, 1 by the server's count"]
    assert judge_kills(tallied, replace(believed, resets=1)) == []
    assert judge_kills(tallied, replace(believed, processes=1)) == []


def test_more_than_one_mail_in_doubt_on_a_connection_is_found() -> None:
    rows = [row(1, "unknown", unknowns=1), row(2, "unknown", unknowns=1)]
    wire = Wire(unread=2, in_doubt=2, connections=1, resets=2)
    assert judge_kills(tally(rows, seen()), wire) == ["I2: 2 uncertain on 1 connections"]


def test_doubt_that_the_ledger_does_not_show_is_found() -> None:
    problems = judge_kills(tally([row(1)], seen(*copy(1))), Wire(on_wire=1, in_doubt=1, connections=1))
    assert problems == ["I4: 0 unknown attempts in the ledger, 1 in the journals"]


def test_a_log_is_read_while_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "seen.log"
    first, second = "".join(f"{line}\n" for line in copy(1)), "".join(f"{line}\n" for line in copy(2, 2))
    path.write_text(first + second[:10])
    log = Log(path)
    assert log.look().accepted == 1
    path.write_text(first + second)
    assert log.look().accepted == 2
    assert log.look().accepted == 2


def test_a_result_tells_its_figures_and_not_every_problem() -> None:
    result = Result("kill9", "I1 I2")
    result.add(tally([row(pk) for pk in range(1, 21)], seen()))
    lines = list(result.lines())
    assert lines[0].startswith("FAIL  kill9")
    assert "lost 20" in lines[1]
    assert lines[-1].endswith("and 12 more")
    assert result.as_json()["checked"] == ["I1", "I2"]
