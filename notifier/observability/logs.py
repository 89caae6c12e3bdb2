"""Logs: one event is one line of JSON, on standard error or in the file that a command was given.

JSON escapes control characters, and long values are shortened. Addresses, names, tokens and bodies are never log
fields: events name rows by primary key. Errors quote them all the same (PostgreSQL repeats a duplicate key), so
addresses and tokens are replaced in everything that is written, and so are the values that callers name with `private`.
A log that cannot be written ends no process.
"""

import json
import logging
import logging.handlers
import sys
from collections.abc import Collection, Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import structlog

from notifier.security.redaction import redacted

#: Characters of one value; a longer one is shortened in the middle, visibly.
MAX_VALUE = 2000

#: Characters of a traceback. The error is at its end, and the caller at its beginning.
MAX_TRACEBACK = 8000

#: Share of a shortened value that its end gets.
END_SHARE = 0.75

_TRACEBACK = "exception"

#: Values that no line may hold now.
_private: ContextVar[tuple[str, ...]] = ContextVar("private", default=())


@contextmanager
def private(values: Iterable[str]) -> Iterator[None]:
    """Replace these values, such as a person's name, in all events logged inside the block."""
    token = _private.set((*_private.get(), *sorted(set(values), key=len, reverse=True)))
    try:
        yield
    finally:
        _private.reset(token)


def shortened(text: str, limit: int) -> str:
    """Return `text`, or its beginning and end with a note between them. `limit` counts the characters kept."""
    if len(text) <= limit:
        return text
    end = int(limit * END_SHARE)
    return f"{text[: limit - end]}... ({len(text) - limit} characters left out) ...{text[-end:]}"


def _shorten(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = shortened(value, MAX_TRACEBACK if key == _TRACEBACK else MAX_VALUE)
        elif isinstance(value, Collection) and len(text := str(value)) > MAX_VALUE:
            event[key] = shortened(text, MAX_VALUE)
    return event


def _redact(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        event[key] = _without_private(value, _private.get())
    return event


def _without_private(value: Any, values: tuple[str, ...]) -> Any:
    if isinstance(value, str):
        return redacted(value, values)
    if isinstance(value, dict):
        return {key: _without_private(inner, values) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_private(inner, values) for inner in value]
    return value


def _name_error(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the type of a logged exception as `error`: its text may be cut off."""
    told = event.get("exc_info")
    error = told if isinstance(told, BaseException) else told[1] if isinstance(told, tuple) else None
    if told is True:
        error = sys.exc_info()[1]
    if error is not None:
        event.setdefault("error", type(error).__name__)
    return event


def _as_line(event: Any, **options: Any) -> str:
    """Return an event as JSON in ASCII, on one line, with its control characters escaped."""
    # DEL is the one control character that JSON does not escape.
    return json.dumps(event, **options).replace("\x7f", "\\u007f")


class _Surviving(logging.Handler):
    """Count the lines that could not be written, and report the number once writing works again."""

    _lost = 0
    _telling = False

    def handleError(self, record: logging.LogRecord) -> None:
        """Count the line. Python's default prints a traceback for each, to a stream that may be just as full."""
        self._lost += 1

    def _tell_lost(self) -> None:
        if self._telling or not self._lost:
            return
        lost, self._lost, self._telling = self._lost, 0, True
        text = f"log.lines_lost: {lost} lines before this one could not be written and may be missing"
        try:
            self.handle(logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, None, None))
        finally:
            self._telling = False
            # If this failed too, it has counted itself.
            self._lost = lost if self._lost else 0


class StderrHandler(_Surviving, logging.StreamHandler[Any]):
    """Write to standard error; a closed pipe or a full volume behind it costs lines, never the process."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line, after the number of lines lost before it."""
        self._tell_lost()
        super().emit(record)


class LogFileHandler(_Surviving, logging.handlers.WatchedFileHandler):
    """A log file that may be rotated, deleted, or on a full volume."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line, after the number of lines lost before it. The folder itself may be missing."""
        self._tell_lost()
        try:
            super().emit(record)
        except OSError:
            self.handleError(record)


def leave_to_host() -> None:
    """Hand our events to the standard library's logging, as lines without the values of local variables.

    For a process that belongs to another application, unless that one has configured structlog itself: structlog's own
    default prints tracebacks with all local variables, such as a typed password.
    """
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            _name_error,
            structlog.processors.format_exc_info,
            _redact,
            _shorten,
            structlog.processors.JSONRenderer(serializer=_as_line),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def configure(level: int = logging.INFO, file: str | Path | None = None) -> None:
    """Send structlog and the standard library's logging through one JSON formatter.

    `file` replaces standard error. If it cannot be opened, one line says so and standard error is used.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _name_error,
        structlog.processors.format_exc_info,
        _redact,
        _shorten,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(serializer=_as_line),
        ],
    )
    handler, problem = _handler(file)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # Alembic tells which plugins it has when it is loaded, as by the first check of the schema, and later its dialect.
    for name in ("alembic.runtime.migration", "alembic.runtime.plugins"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if problem is not None:
        logging.getLogger(__name__).error("log.file_unusable: %s: %s; logging to standard error", file, problem)


def _handler(file: str | Path | None) -> tuple[logging.Handler, str | None]:
    """Return the handler, and the reason if it is not the file that was asked for."""
    if file is None:
        return StderrHandler(sys.stderr), None
    try:
        return LogFileHandler(file, encoding="utf-8"), None
    except OSError as error:
        return StderrHandler(sys.stderr), error.strerror or type(error).__name__
