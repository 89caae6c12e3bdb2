"""What makes hundreds of applications in one process cheap. No behaviour depends on it."""

import gc
from collections.abc import Callable
from typing import Any

from werkzeug.routing import Rule

_builders: dict[tuple[Any, ...], Callable[..., Any]] = {}
_compile = Rule._compile_builder


def _builder(rule: Rule, append_unknown: bool = True) -> Callable[..., Any]:
    """Werkzeug's own, remembered: it depends on the text of the rule alone, and every test makes an application of its
    own, with the same hundred rules. To compile them takes nine tenths of that time."""
    if rule.defaults:
        return _compile(rule, append_unknown)
    key = (rule.rule, tuple(rule._trace), append_unknown)
    if key not in _builders:
        _builders[key] = _compile(rule, append_unknown)
    return _builders[key]


def install() -> None:
    """Once in each process of the run, when all modules are loaded."""
    setattr(Rule, "_compile_builder", _builder)  # noqa: B010  # a plain assignment to a method is a type error
    gc.collect()
    # What is loaded by now stays: the collector need not look through it after every few tests.
    gc.freeze()
