"""django-post_office: `send_many` for all users, then `send_queued_mail` with two processes."""

import logging
import os
import sys
from importlib import import_module
from pathlib import Path

import django
import psycopg
from django.core.management import call_command
from jinja2 import Environment, FileSystemLoader

from bench.driver import Facts, dsn, flat_templates, people_sql, serve
from bench.personal import personal_values

os.environ["DJANGO_SETTINGS_MODULE"] = "bench.programs.post_office_settings"
PROCESSES = 2

#: Emails in one `send_many`, which is one INSERT.
CHUNK = 1000


def work() -> Facts:
    """Queue everything, rendered with Jinja (faster than its own templates); then send until the queue is empty."""
    # Django needs its settings before its applications, so this is not at the top.
    send_many = import_module("post_office.mail").send_many
    templates = Environment(loader=FileSystemLoader(flat_templates()), autoescape=True)
    subject, text, html = (templates.get_template(name) for name in ("subject.txt", "body.txt", "body.html"))
    with psycopg.connect(dsn()) as connection:
        people = connection.execute(people_sql().encode()).fetchall()
    for start in range(0, len(people), CHUNK):
        batch = []
        for pk, address, name in people[start : start + CHUNK]:
            values = {"recipient_name": name, **personal_values(pk)}
            batch.append({
                "recipients": [address],
                "subject": subject.render(values),
                "message": text.render(values),
                "html_message": html.render(values),
            })  # fmt: skip
        send_many(batch)
    lock = Path("post_office").absolute()
    call_command("send_queued_mail", processes=PROCESSES, log_level=0, lockfile=str(lock))
    return {}


def main() -> None:
    """Run the program. `--migrate` creates the tables instead."""
    django.setup()
    # It logs each start and end of a process, which is of no use here.
    logging.disable(logging.INFO)
    if "--migrate" in sys.argv:
        call_command("migrate", verbosity=0)
        return
    serve(work)


if __name__ == "__main__":
    main()
