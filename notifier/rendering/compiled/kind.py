"""A kind of mail, rendered once for each shape of its values; a mail of a known shape is only filled in.

The shape is everything about the values that decides what stands around them: which of those that the
templates test are true, and what those are that the templates look into. Each new shape is rendered as ever,
compiled, filled in and compared. What cannot be compiled, or does not fit, is rendered as ever.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

import structlog
from jinja2 import Environment, Template, TemplateError, nodes

from notifier.mail.mime import EncodedBody
from notifier.rendering.compiled.forms import Line, Segments, Unfit, Wrapped, text_form
from notifier.rendering.compiled.library import read_template
from notifier.rendering.compiled.marks import Mark, mark_wrapped
from notifier.rendering.compiled.reading import WRAP, NotFlat, Reading

log = structlog.get_logger(__name__)

#: More shapes than these: what is looked into differs from mail to mail, and compiling would cost more
#: than it saves. After so many mails for each of them they may be of campaigns gone by, and are forgotten.
MAX_SHAPES, WORTH = 64, 500
#: Values of these types print the same wherever they stand, and change under nobody's hands.
_PLAIN = frozenset({str, int, float, bool, type(None)})
#: Without float: 0.0 and -0.0 are equal.
_COMPARABLE = _PLAIN - {float}

Values = Mapping[str, object]
_Key = tuple[object, ...]


#: Subject, text and HTML.
Filled = tuple[str, EncodedBody, EncodedBody]


@dataclass(frozen=True, slots=True)
class _Shape:
    subject: Line
    text: Segments | Wrapped
    html: Segments

    def fill(self, values: list[str]) -> Filled:
        subject = " ".join(self.subject.fill(values).split())
        if not subject:
            raise Unfit("templates may test for a subject")
        known = [*values, subject]
        return subject, EncodedBody(self.text.fill(known)), EncodedBody(self.html.fill(known))


class CompiledKind:
    """The compiled shapes of one kind of mail. One instance serves all threads of a process."""

    def __init__(self, environment: Environment, kind: str, settled: frozenset[str]) -> None:
        """`settled` are names whose value hardly ever changes. Raises NotFlat for templates with logic."""
        reading = _read(environment, kind)
        #: Names that are also set by the template or by Jinja: which is meant depends on whether it is given.
        self._perhaps = sorted(reading.loaded & (reading.set_here | environment.globals.keys()))
        given = reading.loaded.difference(self._perhaps)
        self._watched = sorted(given & (reading.watched | settled))
        self._tested = sorted(given.intersection(reading.tested).difference(self._watched))
        self._free = self._tested + sorted(given.difference(self._watched, self._tested))
        self._get_free, self._get_watched = _getter(self._free), _getter(self._watched)
        self._templates = _Probes(environment, kind)
        self._shapes: dict[_Key, _Shape | None] = {}
        #: Mails since there were none of them.
        self._mails = 0

    def fill(self, context: Values) -> Filled | None:
        """The mail; None where it has to be rendered."""
        try:
            key, values = self._seen(context)
            shape = self._shapes.get(key)
            self._mails += 1
            return None if shape is None else shape.fill(values)
        except (Unfit, UnicodeEncodeError):
            return None

    def learn(self, context: Values, rendered: tuple[str, str, str]) -> None:
        """Compile the shape of this mail, unless it is known. `rendered`: subject, text and HTML as they must be."""
        try:
            key, values = self._seen(context)
        except Unfit:
            return
        if len(self._shapes) >= MAX_SHAPES and self._mails >= MAX_SHAPES * WORTH:
            self._shapes, self._mails = {}, 0
        shapes = self._shapes  # another thread may put new ones in its place
        if key in shapes or len(shapes) >= MAX_SHAPES:
            return
        shapes[key] = None
        try:
            shape = self._compile(context)
            subject, text, html = shape.fill(values)
        except (Unfit, UnicodeEncodeError):
            shapes.pop(key, None)  # it is these values that do not fit; others may
            return
        except (NotFlat, TemplateError, TypeError) as error:
            log.debug("render.not_compiled", reason=str(error))
            return
        if (subject, text.text(), html.text()) == rendered:
            shapes[key] = shape
        else:
            log.error("render.compiled_differs", kind=self._templates.kind)

    def _seen(self, context: Values) -> tuple[_Key, list[str]]:
        """The shape of these values, and the texts for its holes. Raises Unfit where they have none."""
        try:
            free, watched = self._get_free(context), self._get_watched(context)
        except KeyError as error:
            raise Unfit("a name is missing, which may be an error") from error
        for name in self._perhaps:
            watched += (name in context, context.get(name))
        types = tuple(map(type, watched))
        if not _COMPARABLE.issuperset(types):
            watched = tuple(map(_comparable, watched))
        if not _PLAIN.issuperset(map(type, free)):
            raise Unfit("a value that is not plain")
        texts = list(map(str, free))
        if "\r" in "".join(texts):
            raise Unfit("a carriage return may be half of a line end")
        truths = tuple([bool(value) or type(value) for value in free[: len(self._tested)]])
        return (truths, types, watched), texts

    def _compile(self, context: Values) -> _Shape:
        known: dict[str, object] = {name: context[name] for name in self._watched}
        known |= {name: context[name] for name in self._perhaps if name in context}
        for number, name in enumerate(self._free):
            value = context[name]
            if number < len(self._tested) and not value:
                if isinstance(value, float):
                    raise NotFlat("zero has two signs")
                known[name] = value
            else:
                known[name] = Mark(number)
        subject = Line.of(self._templates.subject(known))
        known["subject"] = Mark(len(self._free))
        html = Segments.of(self._templates.html(known), escaped=True)
        return _Shape(subject, text_form(self._templates.text(known)), html)


def _comparable(value: object) -> object:
    """`value` as a part of a key. Of what has parts, texts in a row will do: the paragraphs of a campaign."""
    if type(value) in _COMPARABLE:
        return value
    if isinstance(value, list | tuple) and type(value) in (list, tuple) and {str}.issuperset(map(type, value)):
        return tuple(value)
    raise Unfit("a value that is not plain")


def _getter(names: list[str]) -> Callable[[Values], tuple[object, ...]]:
    if len(names) > 1:
        return itemgetter(*names)  # in C
    return lambda context: tuple([context[name] for name in names])


def _read(environment: Environment, kind: str) -> Reading:
    def parse(name: str) -> nodes.Template:
        loader = environment.loader
        if loader is None:
            raise NotFlat("no loader")
        return environment.parse(loader.get_source(environment, name)[0], name)

    subject = read_template(f"{kind}/subject.txt", parse)
    bodies = [read_template(f"{kind}/{part}", parse) for part in ("body.txt", "body.html")]
    if "subject" in subject.loaded or any("subject" in body.watched | body.set_here for body in bodies):
        raise NotFlat("the subject is looked into")
    every = [subject, *bodies]
    return Reading(
        loaded=set().union(*[reading.loaded for reading in every]) - {"subject"},
        tested=set().union(*[reading.tested for reading in every]),
        watched=set().union(*[reading.watched for reading in every]),
        set_here=set().union(*[reading.set_here for reading in every]),
    )


class _Probes:
    """The templates of a kind in an environment of their own, where wrapping shows itself."""

    def __init__(self, environment: Environment, kind: str) -> None:
        self.kind: Final = kind
        self._environment = environment.overlay()
        self._environment.filters = environment.filters | {WRAP: mark_wrapped}

    def subject(self, known: dict[str, object]) -> str:
        return self._template("subject.txt").render(known)

    def text(self, known: dict[str, object]) -> str:
        return self._template("body.txt").render(known)

    def html(self, known: dict[str, object]) -> str:
        return self._template("body.html").render(known)

    def _template(self, part: str) -> Template:
        return self._environment.get_template(f"{self.kind}/{part}")
