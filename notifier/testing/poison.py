"""Messages that no worker can run, for both brokers."""

import json
import zlib

from notifier.testing.brokers import Raw, entry, task

BATCH = "notifier.deliver_batch"

#: Options of a message that name other tasks.
EMBED = ("callbacks", "errbacks", "chain", "chord")

#: A task that Celery would publish after the one whose message names it.
SIGNATURE = '{"task": "notifier.sweep", "args": [], "kwargs": {}, "options": {"queue": "elsewhere"}}'

#: Correct headers with wrong bodies, and wrong headers.
WRONG: dict[str, Raw] = {
    "an object": task("{}"),
    "null": task("null"),
    "too short": task("[1]"),
    "too long": task("[[1], {}, {}, {}]"),
    "text": task('"[[1], {}, {}]"'),
    "a number": task("5"),
    "empty": task(""),
    "broken JSON": task("[[1], {}, {}"),
    "not UTF-8": task(b"\xff\xfe"),
    "deep": task("[" * 100_000),
    "a type of kombu with a wrong value": task('{"__type__": "datetime", "__value__": 5}'),
    "large": task(b" " * 1_100_000),
    "arguments are an object": task('[{"pk": 1}, {}, {}]'),
    "named arguments are a list": task("[[1], [], {}]"),
    "options are a list": task("[[1], {}, []]"),
    "no argument": task("[[], {}, {}]"),
    "two arguments": task("[[1, 2], {}, {}]"),
    "an unknown named argument": task('[[1], {"bcc": 2}, {}]'),
    "the argument twice": task('[[1], {"pk": 1}, {}]'),
    "a key as text": task('[["1"], {}, {}]'),
    "a key that is true": task("[[true], {}, {}]"),
    "a key that is null": task("[[null], {}, {}]"),
    "a fraction": task("[[1.5], {}, {}]"),
    "a key below one": task("[[0], {}, {}]"),
    "a key that no database holds": task("[[9223372036854775808], {}, {}]"),
    "a batch that is a number": task("[[1], {}, {}]", BATCH),
    "a batch of texts": task('[[["x"]], {}, {}]', BATCH),
    "a batch in a batch": task("[[[[1]]], {}, {}]", BATCH),
    "a run that is a list": task("[[[1]], {}, {}]", "notifier.expand_run"),
    "a chore with an argument": task("[[1], {}, {}]", "notifier.sweep"),
    "an unknown task": task("[[1], {}, {}]", "notifier.no_such_task"),
    "a task that is a number": task("[[1], {}, {}]", 5),
    "a task that is a list": task("[[1], {}, {}]", ["notifier.sweep"]),
    "no task": Raw(headers={"id": "x"}),
    "no header": Raw(headers={}),
    "the old protocol": Raw(b'{"task": "notifier.sweep", "id": "x", "args": [], "kwargs": {}}', {}),
    "the old protocol under the new one": task('{"args": [1], "kwargs": {}}'),
    "no id": Raw(headers={"task": "notifier.sweep"}),
    "an id that is a list": task("[[1], {}, {}]", id=["x"]),
    "retries as text": task("[[1], {}, {}]", retries="many"),
    "a start that is no time": task("[[1], {}, {}]", eta="soon"),
    "a start that is a number": task("[[1], {}, {}]", eta=5),
    "a start in the year 1": task("[[1], {}, {}]", eta="0001-01-01T00:00:00+14:00"),
    "a start in years": task("[[1], {}, {}]", eta="2999-01-01T00:00:00+00:00"),
    "an end that is no time": task("[[1], {}, {}]", expires="never"),
    "a limit of time": task("[[1], {}, {}]", timelimit=[1, None]),
    "limits as text": task("[[1], {}, {}]", timelimit="ab"),
    "stamps that are a number": task("[[1], {}, {}]", stamped_headers=5),
    "a name that is a list": task("[[1], {}, {}]", shadow=[]),
    "pickle": Raw(b"x", task("").headers, content_type="application/x-python-serialize"),
    "plain text": Raw(b"[[1], {}, {}]", task("").headers, content_type="text/plain"),
    "a type that is none": Raw(b"[[1], {}, {}]", task("").headers, content_type="nonsense"),
    "compressed": task(zlib.compress(b"[[1], {}, {}]"), compression="zlib"),
    "an unknown compression": task("x", compression="no such"),
    "an id with half a pair": task("[[1], {}, {}]", id="x\ud800"),
    "a task with half a pair": task("[[1], {}, {}]", "notifier.sweep\ud800"),
    "a root with half a pair": task("[[1], {}, {}]", root_id="x\ud800"),
    "a name of a field with half a pair": task("[[1], {}, {}]", **{"x\ud800": 1}),
    "half a pair in depth": task("[[1], {}, {}]", stamps={"a": ["x\udfff"]}),
    "a chain": task(f'[[1], {{}}, {{"chain": [{SIGNATURE}]}}]'),
    "a chord": task(f'[[1], {{}}, {{"chord": {SIGNATURE}}}]'),
    "callbacks": task(f'[[1], {{}}, {{"callbacks": [{SIGNATURE}]}}]'),
    "errbacks": task(f'[[1], {{}}, {{"errbacks": [{SIGNATURE}]}}]'),
    "a chain that is text": task('[[1], {}, {"chain": "x"}]'),
    "an option that is a field of the header": task('[[1], {}, {"retries": null}]'),
    "a chain in the header": task("[[1], {}, {}]", chain=[json.loads(SIGNATURE)]),
}

#: Entries of a queue in Redis that are not messages of kombu.
ENTRIES: dict[str, bytes] = {
    "no text": b"\xff\xfe\x00",
    "no JSON": b"not json at all",
    "empty": b"",
    "deep": b"[" * 100_000,
    "an object": b"{}",
    "a list": b"[]",
    "null": b"null",
    "a type of kombu with a wrong value": b'{"__type__": "datetime", "__value__": 5}',
    "no delivery": b'{"body": "e30=", "headers": {}, "properties": {}}',
    "a header that is a list": entry(headers=[]),
    "a header that is null": entry(headers=None),
    "a body that is an object": entry(body={}),
    "a body that is null": entry(body=None),
    "a body that is not base64": entry(body="!!!"),
    "an unknown encoding of the body": entry(body_encoding="rot13"),
    "a tag that is a list": entry(delivery_tag=[]),
    "a tag with half a pair": entry(delivery_tag="x\ud800"),
    "an exchange with half a pair": entry(delivery_info={"exchange": "x\ud800", "routing_key": "notifier.bulk"}),
    "a routing key with half a pair": entry(delivery_info={"exchange": "", "routing_key": "x\ud800"}),
    "a correlation id with half a pair": entry(correlation_id="x\ud800"),
    "no exchange": entry(delivery_info={"routing_key": "notifier.bulk"}),
    "a routing key that is a number": entry(delivery_info={"exchange": "", "routing_key": 5}),
}

#: The properties of a message on the wire (AMQP 0-9-1, 4.2.6.1): RabbitMQ passes them on, py-amqp cannot decode them.
PROPERTIES: dict[str, bytes] = {
    "a content type that is not UTF-8": b"\x80\x00" + b"\x01\xff",
    "a message id that is not UTF-8": b"\x00\x80" + b"\x01\xff",
    "a correlation id with half a pair": b"\x04\x00" + b"\x04x\xed\xa0\x80",
    "a time in the header that no calendar has": b"\x20\x00" + b"\x00\x00\x00\x0b" + b"\x01aT\x80" + bytes(7),
    "a name in the header that is not UTF-8": b"\x20\x00" + b"\x00\x00\x00\x03" + b"\x01\xffV",
}
