"""smtplib alone: two processes, a connection each.

It has no ledger and no queue: it cannot tell which emails were sent, nor continue after a crash. The emails are
rendered before the clock starts, as an upper limit; with `--whole` each is rendered when its turn comes.
"""

import multiprocessing
import smtplib
import sys
from collections.abc import Iterable, Iterator
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import make_msgid
from multiprocessing.synchronize import Barrier

import psycopg
from jinja2 import Environment, FileSystemLoader

from bench.driver import Facts, dsn, flat_templates, people_sql, serve, smtp_port
from bench.personal import personal_values

PROCESSES = 2
SENDER = "hello@notifier.example"

Person = tuple[int, str, str]


def made(people: list[Person]) -> Iterator[tuple[str, bytes]]:
    """Yield recipient and bytes of each email, rendered on demand."""
    templates = Environment(loader=FileSystemLoader(flat_templates()), autoescape=True)
    subject, text, html = (templates.get_template(name) for name in ("subject.txt", "body.txt", "body.html"))
    for pk, address, name in people:
        values = {"recipient_name": name, **personal_values(pk)}
        message = EmailMessage(policy=SMTP)
        message["Subject"], message["From"], message["To"] = subject.render(values), SENDER, address
        message["Message-ID"] = make_msgid(domain="notifier.example")
        message.set_content(text.render(values))
        message.add_alternative(html.render(values), subtype="html")
        yield address, message.as_bytes()


def send(people: list[Person], gate: Barrier) -> None:
    """Send all emails of one process over one connection."""
    mails: Iterable[tuple[str, bytes]] = made(people)
    if "--whole" not in sys.argv:
        mails = list(mails)
    gate.wait()  # ready
    gate.wait()  # go
    with smtplib.SMTP("127.0.0.1", smtp_port(), local_hostname="bench.example") as server:
        for address, data in mails:
            server.sendmail(SENDER, [address], data)


def main() -> None:
    """Prepare the emails, then wait for the start."""
    with psycopg.connect(dsn()) as connection:
        people: list[Person] = connection.execute(people_sql().encode()).fetchall()
    gate = multiprocessing.Barrier(PROCESSES + 1)
    senders = [
        multiprocessing.Process(target=send, args=(people[number::PROCESSES], gate)) for number in range(PROCESSES)
    ]
    for sender in senders:
        sender.start()
    gate.wait()

    def work() -> Facts:
        gate.wait()
        for sender in senders:
            sender.join()
        return {}

    serve(work)


if __name__ == "__main__":
    main()
