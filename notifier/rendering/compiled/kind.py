"""Render a kind of email once for each shape of its values; later emails of a known shape are only filled in.

The shape is everything about the values that determines the text around them: which tested values are true, and what
the watched values are. Each new shape is rendered in the ordinary way, compiled, filled in, and compared. Emails that
cannot be compiled, or do not fit, are rendered in the ordinary way.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

import structlog
from jinja2 import Environment, Template, TemplateError, nodes

from notifier.mail.mime import EncodedBody
from notifier.rendering.compiled.forms import HoledText, Segments, Unfit, Wrapped, text_form
from notifier.rendering.compiled.library import read_template
from notifier.rendering.compiled.marked_render import Mark, mark_wrapped
from notifier.rendering.compiled.syntax_tree import WRAP, NamesUsed, NotFlat

log = structlog.get_logger(__name__)

#: The limit of shapes: beyond it the watched values differ from email to email, and compiling costs more than it saves.
#: After EMAILS_PER_SHAPE emails per shape, all shapes are dropped, because they may belong to past campaigns.
MAX_SHAPES, EMAILS_PER_SHAPE = 64, 500
#: Immutable types whose values always print the same.
_PLAIN = frozenset({str, int, float, bool, type(None)})
#: Without float, because 0.0 and -0.0 are equal.
_COMPARABLE = _PLAIN - {float}

Values = Mapping[str, object]
_Key = tuple[object, ...]


#: Subject, text and HTML.
Filled = tuple[str, EncodedBody, EncodedBody]


@dataclass(frozen=True, slots=True)
class _Shape:
    subject: HoledText
    text: Segments | Wrapped
    html: Segments

    def fill(self, values: list[str]) -> Filled:
        subject = " ".join(self.subject.fill(values).split())
        if not subject:
            raise Unfit("templates may test for a subject")
        known = [*values, subject]
        return subject, EncodedBody(self.text.fill(known)), EncodedBody(self.html.fill(known))


class CompiledKind:
    """The compiled shapes of one kind of email. One instance serves all threads of a process."""

    def __init__(
        self, environment: Environment, kind: str, settled: frozenset[str], *, emails_per_shape: int = EMAILS_PER_SHAPE
    ) -> None:
        """Analyse the templates of `kind`. `settled` are names whose values hardly ever change.

        After `emails_per_shape` emails per shape, all shapes are dropped.

        Raise NotFlat for templates that cannot be compiled.
        """
        self._emails_per_shape = emails_per_shape
        reading = _read(environment, kind)
        #: Names that the template or Jinja also sets: which value is used depends on whether the context has it.
        self._perhaps = sorted(reading.loaded & (reading.set_here | environment.globals.keys()))
        given = reading.loaded.difference(self._perhaps)
        self._watched = sorted(given & (reading.watched | settled))
        self._tested = sorted(given.intersection(reading.tested).difference(self._watched))
        self._free = self._tested + sorted(given.difference(self._watched, self._tested))
        self._get_free, self._get_watched = _getter(self._free), _getter(self._watched)
        self._templates = _Probes(environment, kind)
        self._shapes: dict[_Key, _Shape | None] = {}
        #: Emails since all shapes were last dropped.
        self._emails = 0

    def fill(self, context: Values) -> Filled | None:
        """Fill in an email; return None if it has to be rendered."""
        try:
            key, values = self._seen(context)
            shape = self._shapes.get(key)
            self._emails += 1
            return None if shape is None else shape.fill(values)
        except (Unfit, UnicodeEncodeError):
            return None

    def learn(self, context: Values, rendered: tuple[str, str, str]) -> None:
        """Compile the shape of this email unless it is known. `rendered` is the correct subject, text and HTML."""
        try:
            key, values = self._seen(context)
        except Unfit:
            return
        if len(self._shapes) >= MAX_SHAPES and self._emails >= MAX_SHAPES * self._emails_per_shape:
            self._shapes, self._emails = {}, 0
        shapes = self._shapes  # another thread may replace the dictionary
        if key in shapes or len(shapes) >= MAX_SHAPES:
            return
        shapes[key] = None
        try:
            shape = self._compile(context)
            subject, text, html = shape.fill(values)
        except (Unfit, UnicodeEncodeError):
            shapes.pop(key, None)  # these values do not fit; others of the same shape may
            return
        except (NotFlat, TemplateError, TypeError) as error:
            log.debug("render.not_compiled", reason=str(error))
            return
        if (subject, text.text(), html.text()) == rendered:
            shapes[key] = shape
        else:
            log.error("render.compiled_differs", kind=self._templates.kind)

    def _seen(self, context: Values) -> tuple[_Key, list[str]]:
        """Return the key of the shape of these values, and the texts for its holes. Raise Unfit if they have none."""
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
        subject = HoledText.of(self._templates.subject(known))
        known["subject"] = Mark(len(self._free))
        html = Segments.of(self._templates.html(known), escaped=True)
        return _Shape(subject, text_form(self._templates.text(known)), html)


def _comparable(value: object) -> object:
    """Return `value` as part of a key. Of compound values only lists of texts, such as paragraphs, are supported."""
    if type(value) in _COMPARABLE:
        return value
    if isinstance(value, list | tuple) and type(value) in (list, tuple) and {str}.issuperset(map(type, value)):
        return tuple(value)
    raise Unfit("a value that is not plain")


def _getter(names: list[str]) -> Callable[[Values], tuple[object, ...]]:
    if len(names) > 1:
        return itemgetter(*names)  # in C
    return lambda context: tuple([context[name] for name in names])


def _read(environment: Environment, kind: str) -> NamesUsed:
    def parse(name: str) -> nodes.Template:
        loader = environment.loader
        if loader is None:
            raise NotFlat("no loader")
        return environment.parse(loader.get_source(environment, name)[0], name)

    subject = read_template(f"{kind}/subject.txt", parse)
    bodies = [read_template(f"{kind}/{part}", parse) for part in ("body.txt", "body.html")]
    if "subject" in subject.loaded or any("subject" in body.watched | body.set_here for body in bodies):
        raise NotFlat("the subject is watched")
    every = [subject, *bodies]
    return NamesUsed(
        loaded=set().union(*[reading.loaded for reading in every]) - {"subject"},
        tested=set().union(*[reading.tested for reading in every]),
        watched=set().union(*[reading.watched for reading in every]),
        set_here=set().union(*[reading.set_here for reading in every]),
    )


class _Probes:
    """The templates of a kind in a separate environment, in which `wordwrap` leaves marks."""

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
