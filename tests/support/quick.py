"""What makes hundreds of applications in one process cheap. No behaviour depends on it."""

import gc
from functools import cache
from types import CodeType
from typing import Any

from jinja2 import Environment
from sqlalchemy import Engine
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.util import LRUCache
from werkzeug.routing import Map, Rule

from notifier import resources
from notifier.database import sqlite
from notifier.rendering.render import _MailLoader
from notifier.sender_auth import dkim_keys

_compile = Rule.compile
_compiled: dict[tuple[Any, ...], dict[str, Any]] = {}
#: What compiling a rule writes into it.
_WRITTEN = ("_parts", "_trace", "_converters", "_build", "_build_unknown")


def _compile_once(rule: Rule) -> None:
    """Werkzeug's own, remembered: it depends on the text of the rule and on its converters, and every test makes an
    application of its own, with the same hundred rules. To compile them takes nine tenths of that time."""
    if rule.defaults or rule.host or rule.subdomain or rule.map is None:
        _compile(rule)
        return
    key = (rule.rule, rule.merge_slashes, _classes(rule.map))
    if key not in _compiled:
        _compile(rule)
        _compiled[key] = {name: vars(rule)[name] for name in _WRITTEN} | {"arguments": frozenset(rule.arguments)}
        return
    written = _compiled[key]
    vars(rule).update({name: written[name] for name in _WRITTEN})
    rule.arguments |= written["arguments"]


def _classes(urls: Map) -> tuple[tuple[str, type], ...]:
    return tuple(urls.converters.items())


_statements: dict[type, Any] = {}


def _share_statements(engine: Engine) -> None:
    """Give `engine` the statements that engines before it compiled: one that is new compiles each anew, in every test.

    What it finds them by holds the dialect, so all dialects of a class must be equal.
    """
    if engine._compiled_cache is not None:
        engine._compiled_cache = _statements.setdefault(type(engine.dialect), LRUCache(3000))


_compile_template = Environment.compile
_templates: dict[tuple[Any, ...], CodeType] = {}
#: What decides, beside its source, about the code of a template.
_SYNTAX = (
    "block_start_string", "block_end_string", "variable_start_string", "variable_end_string", "comment_start_string",
    "comment_end_string", "line_statement_prefix", "line_comment_prefix", "trim_blocks", "lstrip_blocks",
    "newline_sequence", "keep_trailing_newline", "optimized", "is_async", "undefined", "finalize",
)  # fmt: skip


def _compile_template_once(
    environment: Environment, source: Any, name: Any = None, filename: Any = None, raw: bool = False, *rest: Any
) -> Any:
    """Jinja's own, remembered: each application has environments of its own, with the same templates of pages and
    emails. To compile those of one email takes longer than most tests of it."""
    # Compiling marked templates also notes their loops.
    if raw or rest or not isinstance(source, str) or getattr(environment, "marked", None):
        return _compile_template(environment, source, name, filename, raw, *rest)
    filters = frozenset((key, getattr(each, "__qualname__", each)) for key, each in environment.filters.items())
    syntax = tuple(getattr(environment, each) for each in _SYNTAX)
    escaped = environment.autoescape(name) if callable(environment.autoescape) else environment.autoescape
    key = (type(environment), syntax, escaped, frozenset(environment.extensions), filters, source, name, filename)
    code = _templates.get(key)
    if code is None:
        code = _templates[key] = _compile_template(environment, source, name, filename)
    return code


_read_source = _MailLoader._source
_sources: dict[str, tuple[str, str | None, None]] = {}
#: No test changes the templates of the checkout.
_OURS = [str(resources.templates() / "emails")]


def _read_source_once(loader: _MailLoader, environment: Environment, template: str) -> tuple[str, str | None, None]:
    """The loader's own, remembered for our own templates: it inlines their styles."""
    if loader._files.searchpath != _OURS:
        return _read_source(loader, environment, template)
    if template not in _sources:
        _sources[template] = _read_source(loader, environment, template)
    return _sources[template]


#: What the application does for each connection to SQLite.
configure = sqlite.configure


def _configure_hastily(connection: Any, record: Any) -> None:
    """What the application does, without the wait for the disk at each commit: no test cuts the power."""
    configure(connection, record)
    connection.execute("PRAGMA synchronous = OFF")


def install() -> None:
    """Once in each process of the run, when all modules are loaded."""
    setattr(Rule, "compile", _compile_once)  # noqa: B010  # a plain assignment to a method is a type error
    setattr(DefaultDialect, "engine_created", staticmethod(_share_statements))  # noqa: B010
    setattr(DefaultDialect, "__hash__", lambda dialect: hash(type(dialect)))  # noqa: B010
    setattr(DefaultDialect, "__eq__", lambda dialect, other: type(dialect) is type(other))  # noqa: B010
    setattr(Environment, "compile", _compile_template_once)  # noqa: B010
    setattr(_MailLoader, "_source", _read_source_once)  # noqa: B010
    # To check that the numbers of a key are primes takes 50 ms.
    setattr(dkim_keys, "load_pem_private_key", cache(dkim_keys.load_pem_private_key))  # noqa: B010
    setattr(sqlite, "configure", _configure_hastily)  # noqa: B010
    gc.collect()
    # What is loaded by now stays: the collector need not look through it after every few tests.
    gc.freeze()
    # Each application is garbage in circles. To look for it after 700 objects is a tenth of all the work.
    gc.set_threshold(20_000, 20, 20)
