"""Which tests take long: `./run check` and CI run them, `./run test` leaves them out.

What they hold is held in short by others; they add real processes that are started and killed, browsers, RabbitMQ, the
wheel, and years of schedules.
"""

import zlib
from collections.abc import Collection

import pytest

#: Beginnings of ids.
LONG = (
    "tests/admin/test_broken_texts.py",
    "tests/admin/test_api_keys_browser.py",
    "tests/admin/test_campaign_form_browser.py",
    "tests/admin/test_content_frame.py",
    "tests/admin/test_feedback_browser.py",
    "tests/admin/test_hostile_queries.py",
    "tests/admin/test_import_browser.py",
    "tests/admin/test_on_call_browser.py",
    "tests/admin/test_operators_browser.py",
    "tests/admin/test_prefix_browser.py",
    "tests/admin/test_support_browser.py",
    "tests/api/test_schemathesis.py",
    "tests/campaigns/test_expand_killed.py",
    "tests/campaigns/test_prompt_digests.py",
    # Days of looks at the clock, hour by hour; SQLite has them on every run.
    "tests/campaigns/test_times.py::test_an_hourly_reminder_goes_24_to_25_hours_after_the_signup[postgres]",
    "tests/campaigns/test_times.py::test_the_default_reminder_goes_at_ten_of_the_recipients_day_at_least_24_hours"
    "_after_the_signup[postgres]",
    "tests/campaigns/test_two_beats.py",
    "tests/cli/test_commands.py::test_servers_end",
    "tests/database/test_older_layout.py::test_every_process",
    "tests/database/test_older_layout.py::test_postgres_is_named",
    "tests/database/test_older_layout.py::test_the_rows_are",
    "tests/delivery/test_maker_dies.py",
    "tests/doctor/test_ledger.py",
    "tests/e2e/test_broken_requests.py",
    "tests/e2e/test_broker_away.py",
    "tests/e2e/test_canary.py",
    "tests/e2e/test_day.py",
    "tests/e2e/test_http_example.py",
    "tests/e2e/test_shop.py",
    "tests/e2e/test_slow_connections.py",
    "tests/e2e/test_stack.py::test_a_broker",
    "tests/e2e/test_stack.py::test_a_second",
    "tests/e2e/test_stack.py::test_a_worker",
    "tests/e2e/test_stack.py::test_an_email_comes_back",
    "tests/e2e/test_supervisor.py",
    "tests/e2e/test_up_inside.py",
    "tests/emails/test_digest_tiling.py",
    "tests/embedding/test_mount_browser.py",
    "tests/embedding/test_operators_browser.py",
    "tests/embedding/test_page.py",
    "tests/embedding/test_sqlite_worker.py",
    "tests/embedding/test_up.py::test_a_worker_without",
    "tests/explain/test_simulate.py",
    "tests/explain/test_why.py",
    "tests/feedback/test_imap_mailbox.py::test_a_reader_that_is_killed",
    "tests/feedback/test_reader.py::test_a_reader_that_is_killed",
    "tests/listener/test_process.py",
    "tests/observability/test_planted_faults.py",
    "tests/observability/test_wrong_queue.py",
    "tests/observability/test_logs.py::test_the_log_file_of_a_celery",
    "tests/tasks/test_beat.py",
    "tests/tasks/test_celery_objects.py",
    "tests/tasks/test_killed_worker.py",
    "tests/tasks/test_multi.py",
    "tests/tasks/test_new_version.py",
    "tests/tasks/test_pgbouncer.py",
    "tests/tasks/test_pump.py",
    "tests/tasks/test_queues.py::test_a_worker_that_starts",
    "tests/tasks/test_sentinel.py::test_emails_go_out",
    "tests/tasks/test_smtp_worker.py",
    "tests/tasks/test_stop.py",
    "tests/tasks/test_worker_metrics.py",
    "tests/testing/test_alone.py",
    "tests/testing/test_fixtures.py::test_an_email_that_cannot_be_rendered",
    "tests/testing/test_fixtures.py::test_an_error_of_a_worker",
    "tests/testing/test_hosts.py",
    "tests/testing/test_page.py",
    "tests/tooling/test_extras.py",
    "tests/tooling/test_patterns.py",
    "tests/tooling/test_start.py",
    "tests/tooling/test_wheel.py",
)

#: Files of them that `./run test` does not even import: some do their work when they are imported.
LONG_FILES = frozenset(each for each in LONG if each.endswith(".py"))

#: The fixture of RabbitMQ's node, and its name in the id of a test for several brokers.
RABBIT, RABBITMQ = "rabbit", "rabbitmq"


def is_long(item: pytest.Item) -> bool:
    """Return whether `./run test` leaves this test out."""
    return (
        item.nodeid.startswith(LONG)
        or RABBIT in getattr(item, "fixturenames", ())
        or RABBITMQ in item.nodeid.partition("[")[2]
    )


def is_left_to_the_other(nodeid: str, all_ids: Collection[str]) -> bool:
    """Return whether `./run test` leaves this case out because it has the same one on the other database.

    Half of the tests that have both run on SQLite then, the other half on Postgres. Their ids decide, so it is always
    the same half.
    """
    for here, other in (("sqlite", "postgres"), ("postgres", "sqlite")):
        twin = nodeid.replace(here, other)
        if here in nodeid.partition("[")[2] and twin != nodeid and twin in all_ids:
            pair = min(nodeid, twin)
            return ("sqlite", "postgres")[zlib.crc32(pair.encode()) % 2] == here
    return False
