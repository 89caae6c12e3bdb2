"""Where words are filled in: Jinja's immutable sandbox, with nothing in it but the few filters.

What comes here was parsed and held against the list before. The sandbox is the second wall: names are looked up in
dictionaries only, nothing can be called, and the output is cut off at a limit while it is made.
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

#: Characters of what comes out.
MAX_OUTPUT = 256 * 1024

#: What `is` may be followed by.
KNOWN_TESTS = ("defined", "undefined", "none")

#: Signs of the markup. In a value they are replaced while it is filled in and put back when the markup has been
#: read, so nobody's name is ever taken for a link or a list.
_SIGNS = "[](){}|-#"
_GUARD = 0x10F000
#: What stands in for them: no source may hold it.
KEPT_FIRST, KEPT_LAST = chr(_GUARD), chr(_GUARD + 0xFF)
_GUARDED = (
    {ord(sign): chr(_GUARD + number) for number, sign in enumerate(_SIGNS)}
    | dict.fromkeys((0x0A, 0x0B, 0x0C, 0x0D, 0x85, 0x2028, 0x2029), " ")
    | dict.fromkeys(range(_GUARD, _GUARD + 0x100))
)
_UNGUARDED = {_GUARD + number: sign for number, sign in enumerate(_SIGNS)}


def guard(value: Any) -> str:
    """A value in which nothing is markup. An undefined one raises."""
    return "" if value is None else str(value).translate(_GUARDED)


def unguard(text: str) -> str:
    """The text as it is shown."""
    return text.translate(_UNGUARDED)


class Sandbox(ImmutableSandboxedEnvironment):
    """Looks names up in dictionaries and does nothing else."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A value of a dictionary, or what a loop says about itself."""
        if type(obj) is dict and attribute in obj:
            return obj[attribute]
        if type(obj) is LoopContext and attribute in LOOP.fields:
            return getattr(obj, attribute)
        return self._nothing(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """The same, written with brackets."""
        return obj[argument] if type(obj) is dict and argument in obj else self._nothing(obj, str(argument))

    def _nothing(self, obj: Any, name: str) -> Undefined:
        return self.undefined(f"{name} is not offered", obj=obj, name=name)

    def call(self, *_: Any, **__: Any) -> NoReturn:
        """Never."""
        raise SecurityError("nothing can be called")

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Nothing is read by Python's own rules."""
        return False

    def is_safe_callable(self, obj: Any) -> bool:
        """Nothing."""
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
    """The text of a template that was checked before. Raises ContentError where it grows too long."""
    parts, size = [], 0
    for part in template.root_render_func(template.new_context(dict(context))):
        size += len(part)
        if size > MAX_OUTPUT:
            raise ContentError(f"The email would be larger than {MAX_OUTPUT // 1024} kB. Shorten it.")
        parts.append(part)
    return "".join(parts)
