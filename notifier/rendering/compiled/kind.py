"""Render a kind of email once for each shape of its values; later emails of a known shape are only filled in.

The shape is everything about the values that determines the text around them: which tested values are true, and what
the watched values are. A row of a loop is a shape of its own, and a list is as many of them as it has rows. Each new
shape is rendered in the ordinary way, compiled, filled in, and compared. Emails that cannot be compiled, or do not fit,
are rendered in the ordinary way.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from threading import Lock

import structlog
from jinja2 import TemplateError

from notifier.rendering.compiled.forms import HoledText, Segments, text_form
from notifier.rendering.compiled.marked_render import Mark, take_rows
from notifier.rendering.compiled.probes import EmailEnvironment, Probes
from notifier.rendering.compiled.reading import read_kind
from notifier.rendering.compiled.rows import RowReader, SeenRows, unseen
from notifier.rendering.compiled.shape import Filled, RowForms, RowKey, Shape, Texts, row_forms
from notifier.rendering.compiled.syntax_tree import NotFlat
from notifier.rendering.compiled.values import COMPARABLE, PLAIN, Key, Unfit, comparable, getter

log = structlog.get_logger(__name__)

#: The limit of shapes: beyond it the watched values differ from email to email, and compiling costs more than it saves.
#: After EMAILS_PER_SHAPE emails per shape, all shapes are dropped, because they may belong to past campaigns.
MAX_SHAPES, EMAILS_PER_SHAPE = 64, 500
#: The limit of shapes of rows: those that all shapes of the whole share, and those of one of them.
MAX_ROWS = 1024

Values = Mapping[str, object]


class CompiledKind:
    """The compiled shapes of one kind of email. One instance serves all threads of a process."""

    def __init__(
        self,
        environment: EmailEnvironment,
        kind: str,
        settled: frozenset[str],
        *,
        emails_per_shape: int = EMAILS_PER_SHAPE,
    ) -> None:
        """Analyse the templates of `kind`. `settled` are names whose values hardly ever change.

        After `emails_per_shape` emails per shape, all shapes are dropped.

        Raise NotFlat for templates that cannot be compiled.
        """
        self._emails_per_shape = emails_per_shape
        used, loops = read_kind(environment, kind, settled)
        #: Names that the template or Jinja also sets: which value is used depends on whether the context has it.
        self._perhaps = sorted(used.loaded & (used.set_here | environment.globals.keys()))
        given = used.loaded.difference(self._perhaps)
        self._watched = sorted(given & (used.watched | settled))
        self._tested = sorted(given.intersection(used.tested).difference(self._watched))
        self._free = self._tested + sorted(given.difference(self._watched, self._tested))
        self._get_free, self._get_watched = getter(self._free), getter(self._watched)
        self._rows = {name: RowReader(loop) for name, loop in sorted(loops.items())}
        #: The texts of a row have the numbers below; then come the free values, the subject, and the loops.
        self._row_width = max((reader.width for reader in self._rows.values()), default=0)
        self._probes = Probes(environment, kind, frozenset(loops))
        self._shapes: dict[Key, Shape | None] = {}
        self._shared: dict[RowKey, RowForms] = {}
        #: Emails since all shapes were last dropped.
        self._emails = 0
        self._learning = Lock()

    def fill(self, context: Values) -> Filled | None:
        """Fill in an email; return None if it has to be rendered."""
        try:
            key, values, rows = self._seen(context)
            shape = self._shapes.get(key)
            self._emails += 1
            return None if shape is None else shape.fill(values, rows)
        except (Unfit, UnicodeEncodeError):
            return None

    def learn(self, context: Values, rendered: tuple[str, str, str]) -> None:
        """Compile the shape of this email, or of its rows, unless it is known.

        `rendered` is the correct subject, text and HTML.
        """
        if not self._learning.acquire(blocking=False):
            return  # a later email of this shape will do
        try:
            self._learn(context, rendered, *self._seen(context))
        except Unfit:
            return
        finally:
            self._learning.release()

    def _learn(self, context: Values, rendered: tuple[str, str, str], key: Key, values: Texts, rows: SeenRows) -> None:
        if len(self._shapes) >= MAX_SHAPES and self._emails >= MAX_SHAPES * self._emails_per_shape:
            self._shapes, self._shared, self._emails = {}, {}, 0
        known = self._shapes.get(key)
        new = unseen(rows, self._shared if known is None else {**self._shared, **known.rows})
        if not self._has_room(key, known, len(new)):
            return
        # Neither the shape nor a row of it is compiled again if it fails.
        self._shapes[key] = None if known is None else known.with_rows(dict.fromkeys(new))
        try:
            shape = self._compile(context, new)
            if known is not None:
                shape = known.with_rows(shape.rows)
            if self._is_right(shape.fill(values, rows), rendered):
                self._shapes[key] = self._sharing(shape, new)
        except (Unfit, UnicodeEncodeError):
            # These values do not fit; others of the same shape may.
            self._shapes[key] = known
            if known is None:
                del self._shapes[key]
        except (NotFlat, TemplateError, TypeError) as error:
            log.debug("render.not_compiled", reason=str(error))

    def _sharing(self, shape: Shape, new: Iterable[RowKey]) -> Shape:
        """Share the new shapes of rows that are the same in every email. Return the shape without them."""
        loops = Counter(self._probes.loops)
        own = dict(shape.rows)
        for each in new:
            forms = own[each]
            # A loop in a condition may be missing here and present in another shape.
            if forms and self._rows[each[0]].is_alone and forms.loops == loops[each[0]]:
                self._shared[each] = forms
                del own[each]
        return replace(shape, rows=own)

    def _has_room(self, key: Key, known: Shape | None, new: int) -> bool:
        """Return whether there is something to learn, and room for it. `new` counts shapes of rows."""
        if known is None:
            return key not in self._shapes and len(self._shapes) < MAX_SHAPES
        return 0 < new <= MAX_ROWS - len(known.rows) - len(self._shared)

    def _is_right(self, filled: Filled, rendered: tuple[str, str, str]) -> bool:
        subject, text, html = filled
        if (subject, text.text(), html.text()) == rendered:
            return True
        log.error("render.compiled_differs", kind=self._probes.kind)
        return False

    def _seen(self, context: Values) -> tuple[Key, Texts, SeenRows]:
        """Return the key of the shape of these values, the texts for its holes, and the rows of its loops.

        Raise Unfit if they have none.
        """
        try:
            free, watched = self._get_free(context), self._get_watched(context)
            rows = {name: reader.read(context[name]) for name, reader in self._rows.items()}
        except KeyError as error:
            raise Unfit("a name is missing, which may be an error") from error
        for name in self._perhaps:
            watched += (name in context, context.get(name))
        types = tuple(map(type, watched))
        if not COMPARABLE.issuperset(types):
            watched = tuple(map(comparable, watched))
        if not PLAIN.issuperset(map(type, free)):
            raise Unfit("a value that is not plain")
        texts = list(map(str, free))
        if "\r" in "".join(texts):
            raise Unfit("a carriage return may be half of a line end")
        truths = tuple([bool(value) or type(value) for value in free[: len(self._tested)]])
        return (truths, types, watched, tuple(map(bool, rows.values()))), texts, rows

    def _compile(self, context: Values, new: Mapping[RowKey, int]) -> Shape:
        """Compile the shape of these values with the shapes of these rows, which are given by their place."""
        known: dict[str, object] = {name: context[name] for name in self._watched}
        known |= {name: context[name] for name in self._perhaps if name in context}
        width = self._row_width
        for number, name in enumerate(self._free):
            value = context[name]
            if number < len(self._tested) and not value:
                if isinstance(value, float):
                    raise NotFlat("zero has two signs")
                known[name] = value
            else:
                known[name] = Mark(width + number)
        probed: dict[str, list[RowKey | None]] = {}
        for name, reader in self._rows.items():
            keys: list[RowKey | None] = [each for each in new if each[0] == name]
            rows: list[object] = [reader.marked(context[name][new[each]]) for each in keys if each]  # type: ignore[index]
            if not rows and context[name]:
                # Its rows are known, but not where they are.
                keys, rows = [None], [reader.marked(context[name][0])]  # type: ignore[index]
            known[name], probed[name] = rows, keys
        return self._shape(known, probed)

    def _shape(self, known: dict[str, object], probed: Mapping[str, list[RowKey | None]]) -> Shape:
        subject_number = self._row_width + len(self._free)
        first = subject_number + 1
        subject = HoledText.of(self._probes.subject(known))
        known["subject"] = Mark(subject_number)
        text, in_text = take_rows(self._probes.text(known), first=first, escaped=False)
        html, in_html = take_rows(self._probes.html(known), first=first, escaped=True)
        loops = self._probes.loops
        return Shape(
            subject,
            text_form(text),
            Segments.of(html, escaped=True, first_loop=first),
            self._row_width,
            [name if loop in in_text else None for loop, name in enumerate(loops)],
            {loop: loops[loop] for loop in in_html},
            row_forms(probed, loops, in_text, in_html, width=self._row_width),
            self._shared,
        )
