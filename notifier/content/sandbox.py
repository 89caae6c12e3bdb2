"""Fill in content in Jinja's immutable sandbox, which has nothing but the few filters.

Sources were already checked against the allow-list. The sandbox is the second line of defence: names are looked up in
dictionaries only, nothing can be called, and the length of the output is limited while it is produced.
"""

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from jinja2 import StrictUndefined, Template, Undefined
from jinja2.exceptions import SecurityError
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS

from notifier.content.errors import ContentError
from notifier.content.filters import FILTERS
from notifier.content.schema import LOOP

#: Characters of the output.
MAX_OUTPUT = 256 * 1024

#: The tests that may follow `is`.
KNOWN_TESTS = ("defined", "undefined", "none")

#: The signs of the markup. In values they are replaced by placeholders until the markup has been read, so that a
#: person's name is never taken for a link or a list.
_SIGNS = "[](){}|-#"
_GUARD = 0x10F000
#: The range of placeholders, which no source may contain.
KEPT_FIRST, KEPT_LAST = chr(_GUARD), chr(_GUARD + 0xFF)
_GUARDED = (
    {ord(sign): chr(_GUARD + number) for number, sign in enumerate(_SIGNS)}
    | dict.fromkeys((0x0A, 0x0B, 0x0C, 0x0D, 0x85, 0x2028, 0x2029), " ")
    | dict.fromkeys(range(_GUARD, _GUARD + 0x100))
)
_UNGUARDED = {_GUARD + number: sign for number, sign in enumerate(_SIGNS)}


def guard(value: Any) -> str:
    """Return a value as text with placeholders for all signs. Raise UndefinedError for an undefined value."""
    return "" if value is None else str(value).translate(_GUARDED)


def unguard(text: str) -> str:
    """Replace the placeholders by the signs again."""
    return text.translate(_UNGUARDED)


class Sandbox(ImmutableSandboxedEnvironment):
    """A Jinja environment that looks up names in dictionaries and does nothing else."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return a value of a dictionary, or an attribute of `loop`."""
        if type(obj) is dict and attribute in obj:
            return obj[attribute]
        if type(obj) is LoopContext and attribute in LOOP.fields:
            return getattr(obj, attribute)
        return self._nothing(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return a value of a dictionary by its key in brackets."""
        return obj[argument] if type(obj) is dict and argument in obj else self._nothing(obj, str(argument))

    def _nothing(self, obj: Any, name: str) -> Undefined:
        return self.undefined(f"{name} is not offered", obj=obj, name=name)

    def call(self, *_: Any, **__: Any) -> NoReturn:
        """Raise SecurityError: nothing can be called."""
        raise SecurityError("nothing can be called")

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Return False: no attribute is read by Python's own rules."""
        return False

    def is_safe_callable(self, obj: Any) -> bool:
        """Return False: nothing can be called."""
        return False


def _environment() -> Sandbox:
    environment = Sandbox(undefined=StrictUndefined, finalize=guard, trim_blocks=True, lstrip_blocks=True, cache_size=0)
    filters: Mapping[str, Callable[..., Any]] = {name: each.run for name, each in FILTERS.items()}
    environment.filters = dict(filters)
    environment.tests = {name: TESTS[name] for name in KNOWN_TESTS}
    environment.globals = {}
    return environment


ENVIRONMENT = _environment()


def fill(template: Template, context: Mapping[str, Any]) -> str:
    """Render a template that was already checked. Raise ContentError if the output becomes too long."""
    parts, size = [], 0
    for part in template.root_render_func(template.new_context(dict(context))):
        size += len(part)
        if size > MAX_OUTPUT:
            raise ContentError(f"The email would be larger than {MAX_OUTPUT // 1024} kB. Shorten it.")
        parts.append(part)
    return "".join(parts)
