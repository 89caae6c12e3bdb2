"""`python -m bench.fuzz_bounces --minutes 10`: hostile emails instead of bounces. It stops by itself.

Emails of `--seeds` (a folder; by default those of our tests) are cut, joined, repeated and filled with what parsers
stumble over, up to 1 MiB. `--kind arf` takes those about complaints alone, `--kind dsn` all others. For each one: no
exception, no complaint unless a type of complaint is in it, the same verdict with LF, CR and CRLF, at most
`MAX_SECONDS` of process time (the median of three), and, for some, at most `MAX_MEMORY` above the input. It prints how
many there were, and the worst. With a mistake it stores the email in `--keep` and exits with 1. `--seed` repeats a run.
"""

import argparse
import random
import sys
import time
import tracemalloc
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console

from notifier.bounces.decoding import header_text
from notifier.bounces.judging import judge
from notifier.bounces.parts import split
from notifier.bounces.reading import Report, read
from notifier.bounces.reasons import Kind, Verdict

#: Seconds of process time and bytes above the input that an email of 1 MiB may take.
MAX_SECONDS, MAX_MEMORY = 0.1, 24_000_000
MAX_SIZE = 1 << 20
#: One email of so many is measured for its memory, which is slow.
MEMORY_EVERY = 40
SEEDS = Path(__file__).parents[1] / "tests" / "data" / "bounces"

#: What parsers stumble over, and what reports consist of.
TOKENS = [
    b"\n", b"\r", b"\r\n", b"\n\n", b"\n--", b"--B\n", b"\n--B--\n", b"Content-Type: multipart/mixed; boundary=B\n\n",
    b"Content-Type: multipart/report; report-type=delivery-status; boundary=\"B\"\n\n",
    b"Content-Type: message/rfc822\n\n", b"Content-Type: message/delivery-status\n\n",
    b"Content-Type: text/html; charset=utf-16\n\n", b"<", b">", b"&#x110000;",
    b"Content-Type: message/feedback-report\n\nFeedback-Type: abuse\n", b"Content-Transfer-Encoding: base64\n", b"=?",
    b"?=", b"Content-Transfer-Encoding: quoted-printable\n", b"=?utf-8?B?/w==?=", b"=?x?Q?=FF?=", b"\x00",
    b"\xff\xfe", b"\x1b$B", b"Final-Recipient: rfc822; a@b.example\n", b"Final-Recipient: utf-8; \\x{D800}@b\n",
    b"Action: failed\n", b"Action: ", b"Status: 5.1.1\n", b"Status: 99999999.1\n",
    b"Diagnostic-Code: smtp; 550 5.1.1 no such user\n", b"550 5.1.1 ", b"550-", b"5.", b"a@b.example ",
    b"<a@b.example>:\n", b"@", b"user unknown ", b"mailbox is ", b"not ", b"could not be delivered ", b";", b":",
    b"Message-ID: <n1.0123456789abcdef@x>\n", b"b+1.0123456789abcdef@", b"X-Notifier-Id: 99999999999999999999.a\n",
    b"From \n", b"charset=unicode_escape", b"charset=idna", b"charset=\"", b"boundary=", b" ", b"\t", b"0",
    b"\xc3\xa4", b"(", b"[",
]  # fmt: skip
#: The same for feedback reports (RFC 5965, RFC 6591).
FEEDBACK_TOKENS = [
    b"Content-Type: multipart/report; report-type=feedback-report; boundary=\"B\"\n\n",
    b"Content-Type: message/feedback-report\n\n", b"Feedback-Type: ", b"Feedback-Type: auth-failure\n",
    b"Feedback-Type: not-spam\n", b"Feedback-Type: virus\n", b"Feedback-Type: fraud\n", b"Feedback-Type: abuse (x)\n",
    b"Original-Rcpt-To: <a@b.example>\n", b"Original-Mail-From: <b+1.aaaaaaaaaaaaaaaa@x>\n", b"User-Agent: x/1\n",
    b"Version: 1\n", b"Incidents: 99999999999\n", b"Source-IP: ::1\n", b"Arrival-Date: x\n", b"Removal-Recipient: ",
    b"Subject: complaint about message from 192.0.2.1\n", b"\n", b"\r\n", b"\r", b"\n\n", b"\n--B\n", b"\n--B--\n",
    b"Content-Type: message/rfc822\n\n", b"Content-Transfer-Encoding: base64\n", b"=?utf-8?B?YWJ1c2U=?=", b"abuse",
    b"\x00", b":",
    b"Message-ID: <n1.aaaaaaaaaaaaaaaa@x>\n", b"X-Notifier-Id: 1.aaaaaaaaaaaaaaaa\n",
]  # fmt: skip
#: Without any of these in its decoded headers and parts an email reports no complaint.
COMPLAINTS = ("abuse", "fraud", "opt-out", "complaint about message from")
#: The seeds that are about complaints, by the beginning of their names.
FEEDBACK_SEEDS = ("arf-", "older-complaint")


@dataclass
class Worst:
    """The slowest and the biggest so far."""

    count: int = 0
    seconds: float = 0
    memory: int = 0


def made(seeds: list[bytes], tokens: list[bytes], chance: random.Random) -> bytes:
    """Return one hostile email."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.randint(1, 12)):
        at = chance.randint(0, len(data))
        kind = chance.randrange(6)
        if kind == 0:
            data[at:at] = chance.choice(tokens)
        elif kind == 1:
            del data[at : at + chance.randint(1, 200)]
        elif kind == 2:
            other = chance.choice(seeds)
            begin = chance.randint(0, len(other))
            data[at:at] = other[begin : begin + chance.randint(1, 2000)]
        elif kind == 3:
            data[at : at + 1] = bytes([chance.randrange(256)])
        elif kind == 4:
            data[at:at] = chance.choice(tokens) * chance.randint(2, 400)
        else:
            piece = bytes(data[at : at + chance.randint(1, 400)])
            data[at:at] = piece * chance.randint(1, 20)
    if chance.random() < 0.25:
        at = chance.randint(0, len(data))
        unit = b"".join(chance.choice(tokens) for _ in range(chance.randint(1, 4)))
        data[at:at] = (unit * (MAX_SIZE // len(unit) + 1))[: max(0, MAX_SIZE - len(data))]
    return bytes(data[:MAX_SIZE])


def fault(data: bytes, worst: Worst) -> str:
    """Return what is wrong with the reading of this email; an empty text if nothing is."""
    judge.cache_clear()
    seconds, report = timed(data)
    if seconds > MAX_SECONDS:
        seconds = median(timed(data)[0] for _ in range(3))
    worst.seconds = max(worst.seconds, seconds)
    if seconds > MAX_SECONDS:
        return f"{seconds:.3f} s"
    if worst.count % MEMORY_EVERY == 0:
        tracemalloc.start()
        read(data)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        worst.memory = max(worst.memory, used)
        if used > MAX_MEMORY:
            return f"{used:,} bytes"
    if report.verdict is not Verdict.NONE and report.reason is None:
        return "a verdict without a reason"
    if report.kind is Kind.COMPLAINT and not any(word in _texts(data) for word in COMPLAINTS):
        return "a complaint that no one made"
    # A file that mixes line ends is another one as soon as they are equal.
    plain = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if len(plain) > MAX_SIZE // 4:
        return ""
    verdicts = {key(read(plain.replace(b"\n", end))) for end in (b"\n", b"\r", b"\r\n")}
    return "" if len(verdicts) == 1 else f"other line ends, other verdicts: {verdicts}"


def _texts(data: bytes) -> str:
    email = split(data)
    values = [value for kept in email.headers.values.values() for value in kept]
    values += [header_text(line) for part in email.parts for line in part.text.split("\n")]
    return "\n".join(values).lower()


def seeds_of(folder: Path, kind: str) -> list[bytes]:
    """Return the emails in a folder that are of this kind: all, arf or dsn."""
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    about = {path: path.name.startswith(FEEDBACK_SEEDS) for path in paths}
    return [path.read_bytes() for path in paths if kind == "all" or about[path] is (kind == "arf")]


def timed(data: bytes) -> tuple[float, Report]:
    """Return the seconds of process time that an email takes, and what it says."""
    judge.cache_clear()
    begin = time.process_time()
    report = read(data)
    return time.process_time() - begin, report


def key(report: Report) -> tuple[object, ...]:
    """Return what must not depend on line ends."""
    return report.kind, report.verdict, report.reason, report.recipients, report.notification


def main() -> None:
    """Fuzz until the time is over, or until the first mistake."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seeds", type=Path, default=SEEDS)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-bounce.eml"))
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--kind", choices=("all", "dsn", "arf"), default="all")
    options = parser.parse_args()
    console = Console(width=100, highlight=False)
    seeds = seeds_of(options.seeds, options.kind)
    tokens = {"dsn": TOKENS, "arf": FEEDBACK_TOKENS, "all": TOKENS + FEEDBACK_TOKENS}[options.kind]
    chance, worst, end = random.Random(options.seed), Worst(), time.monotonic() + options.minutes * 60
    while time.monotonic() < end:
        data = made(seeds, tokens, chance)
        worst.count += 1
        try:
            wrong = fault(data, worst)
        except Exception:
            options.keep.write_bytes(data)
            console.print(f"seed {options.seed}: an exception with email {worst.count:,}, kept in {options.keep}")
            raise
        if wrong:
            options.keep.write_bytes(data)
            console.print(
                f"seed {options.seed}: {wrong} with email {worst.count:,}, kept in {options.keep}", markup=False
            )
            sys.exit(1)
    console.print(
        f"seed {options.seed}: {worst.count:,} emails; the slowest took {worst.seconds * 1000:.0f} ms, "
        f"and the most memory was {worst.memory / 1e6:.1f} MB"
    )


if __name__ == "__main__":
    main()
