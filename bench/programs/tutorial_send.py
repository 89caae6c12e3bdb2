"""The tutorial way: `.delay()` for every user."""

import psycopg

from bench.driver import Facts, dsn, people_sql, serve
from bench.personal import personal_values
from bench.programs.tutorial import send_report


def work() -> Facts:
    """Publish one task for each email."""
    with psycopg.connect(dsn()) as connection:
        for pk, address, name in connection.execute(people_sql().encode()).fetchall():
            send_report.delay(address, {"recipient_name": name, **personal_values(pk)})
    return {}


if __name__ == "__main__":
    serve(work)
