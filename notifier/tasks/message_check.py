"""Check whether a worker can run a message, before Celery sees it: Celery trusts every valid header.

A body that does not fit its header, or a header field of a wrong type, raises inside Celery's event loop, which stops
the worker; RabbitMQ then hands the same message to the next one. Messages follow Celery's protocol, version 2:
https://docs.celeryq.dev/en/stable/internals/protocol.html
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from inspect import signature, unwrap
from typing import Any, get_type_hints

from celery.utils.time import maybe_iso8601

from notifier import clock
from notifier.tasks.utf8 import is_utf8

#: The largest primary key that Postgres and SQLite store.
LARGEST_KEY = 2**63 - 1

#: A message that starts later than this is refused: a worker would hold it in memory, and after 30 minutes RabbitMQ
#: would close the connection (its consumer_timeout). Our own tasks wait for 20 s at most.
LONGEST_WAIT = timedelta(minutes=10)

#: Text that may be shown as the name of a task: not an address or a sentence.
TASK_NAME = re.compile(r"[A-Za-z_][\w.]{0,99}", re.ASCII)


def why_unreadable(message: Any, tasks: Mapping[str, Any], *, max_bytes: int) -> str | None:
    """Return why no worker can run `message` (a kombu message), or None if one can. Never raises.

    `tasks`: the registered ones by name. The reason quotes nothing of the message.
    """
    headers = message.headers
    if not isinstance(headers, dict) or "task" not in headers:
        return "its header names no task"
    name = headers["task"]
    if not isinstance(name, str) or name not in tasks:
        return "its task is unknown"
    if size_of(message) > max_bytes:
        return f"its body is larger than {max_bytes} bytes"
    if not is_utf8([headers, message.properties, message.delivery_info]):
        return "its header or its properties hold text that is not UTF-8"
    wrong = next((field for field, fits in _FIELDS.items() if not fits(headers.get(field))), None)
    if wrong is not None:
        return f"its header field {wrong} is wrong"
    return _why_not_callable(message, tasks[name])


def task_of(message: Any) -> str:
    """Return the name of the message's task if it looks like one; otherwise an empty string."""
    name = message.headers.get("task") if isinstance(message.headers, dict) else None
    return name if isinstance(name, str) and TASK_NAME.fullmatch(name) else ""


def size_of(message: Any) -> int:
    """Return the size of the body in bytes (in characters, if it came as text)."""
    return len(message.body) if isinstance(message.body, (str, bytes, memoryview)) else 0


def _why_not_callable(message: Any, task: Any) -> str | None:
    try:
        payload = message.payload
    except Exception as error:
        # Decoders raise all kinds of errors. The reason names the class only, because the text may quote the body.
        return f"its body cannot be decoded ({type(error).__name__})"
    match payload:
        case [list(args), dict(kwargs), (dict() | None) as options]:
            if not _is_without_embed(options or {}):
                return "its options are not empty"
            return _why_not_arguments(task, args, kwargs)
    return "its body is not [arguments, named arguments, options]"


def _is_without_embed(options: dict[str, Any]) -> bool:
    """Refuse options: our tasks call no others, and Celery would publish the tasks of a `chain`."""
    return all(name in _EMBED and _is_empty(value) for name, value in options.items())


def _why_not_arguments(task: Any, args: list[Any], kwargs: dict[str, Any]) -> str | None:
    try:
        task.__header__(*args, **kwargs)
    except TypeError:
        return "the number or the names of its arguments are wrong"
    # The plain function: a cache of tasks would keep their applications alive.
    function = unwrap(task.run)
    names, shapes = _signature(getattr(function, "__func__", function))
    given = dict(zip(names, args, strict=False)) | kwargs
    wrong = next((name for name, fits in shapes.items() if name in given and not fits(given[name])), None)
    return None if wrong is None else f"its argument {wrong} has a wrong type or is out of range"


def _is_key(value: Any) -> bool:
    return type(value) is int and 0 < value <= LARGEST_KEY


def _is_list_of_keys(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_key, value))


#: Checks of a task's arguments by their annotation. Arguments with other annotations are not checked.
_SHAPES: Mapping[Any, Callable[[Any], bool]] = {int: _is_key, list[int]: _is_list_of_keys}


@cache
def _signature(function: Any) -> tuple[list[str], dict[str, Callable[[Any], bool]]]:
    """Return the names of the arguments of a task's function in order, and the checks of those that have one."""
    hints = get_type_hints(function)
    # A bound task has itself as its first argument, which no message carries.
    names = [name for name in signature(function).parameters if name != "self"]
    return names, {name: _SHAPES[hints[name]] for name in names if hints.get(name) in _SHAPES}


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 255


def _is_count(value: Any) -> bool:
    return value is None or (type(value) is int and 0 <= value < 2**31)


def _is_moment(value: Any) -> bool:
    return value is None or _moment(value) is not None


def _is_soon(value: Any) -> bool:
    moment = None if value is None else _moment(value)
    return value is None or (moment is not None and moment <= clock.now() + LONGEST_WAIT)


def _moment(value: Any) -> datetime | None:
    """Return the ISO 8601 time of `value` in UTC, or None if it is not one, or is before 1970."""
    try:
        moment: datetime | None = maybe_iso8601(value)
        if moment is None:
            return None
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, AttributeError, OverflowError):
        return None
    return moment if moment.year >= 1970 else None


def _is_no_limit(value: Any) -> bool:
    """Refuse time limits: one in a message would kill a process that is sending emails."""
    return value is None or value == [None, None]


def _is_stamps(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(each, str) for each in value))


def _is_empty(value: Any) -> bool:
    return value in (None, [], {})


#: Options of a message that name tasks for Celery to run after this one.
_EMBED = ("callbacks", "errbacks", "chain", "chord")

#: Header fields that Celery reads in its event loop, with the check of each.
_FIELDS: Mapping[str, Callable[[Any], bool]] = {
    "id": _is_text,
    "shadow": lambda value: value is None or isinstance(value, str),
    "retries": _is_count,
    "eta": _is_soon,
    "expires": _is_moment,
    "timelimit": _is_no_limit,
    "stamped_headers": _is_stamps,
    # Celery takes them from the header, too, if the options don't name them.
    **dict.fromkeys(_EMBED, _is_empty),
}
