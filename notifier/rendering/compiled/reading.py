"""Read the templates of a kind together: which names are watched, and over which names loops can be filled row by row.

A name that is looped over and used for nothing else but tests is not part of the shape; only whether it is empty is.
"""

from dataclasses import replace

from jinja2 import Environment, nodes

from notifier.rendering.compiled.library import read_template
from notifier.rendering.compiled.names_used import NamesUsed, RowLoop
from notifier.rendering.compiled.syntax_tree import NotFlat


def read_kind(environment: Environment, kind: str, settled: frozenset[str]) -> tuple[NamesUsed, dict[str, RowLoop]]:
    """Return what the templates of `kind` use, and for each name its loops as one, with all that they use of a row.

    Raise NotFlat for templates that cannot be compiled.
    """
    unrolled = settled | environment.globals.keys()
    while True:
        used = _read(environment, kind, unrolled)
        loops: dict[str, RowLoop] = {}
        unfit = {loop.name for loop in used.loops} & (used.printed | used.watched | used.set_here)
        for loop in used.loops:
            known = loops.setdefault(loop.name, loop)
            if (len(known.parts), known.is_tuple) != (len(loop.parts), loop.is_tuple):
                unfit.add(loop.name)
            loops[loop.name] = replace(
                known,
                printed=known.printed | loop.printed,
                tested=known.tested | loop.tested,
                watched=known.watched | loop.watched,
                is_alone=known.is_alone and loop.is_alone,
            )
        if not unfit:
            used.loaded -= loops.keys()
            return used, loops
        # A name that is looked into is part of the shape as a whole, and so are the loops over it.
        unrolled |= unfit


def _read(environment: Environment, kind: str, unrolled: frozenset[str]) -> NamesUsed:
    def parse(name: str) -> nodes.Template:
        loader = environment.loader
        if loader is None:
            raise NotFlat("no loader")
        return environment.parse(loader.get_source(environment, name)[0], name)

    subject = read_template(f"{kind}/subject.txt", parse, None)
    bodies = [read_template(f"{kind}/{part}", parse, unrolled) for part in ("body.txt", "body.html")]
    if "subject" in subject.loaded or any("subject" in body.watched | body.set_here for body in bodies):
        raise NotFlat("the subject is watched")
    every = NamesUsed()
    for reading in [subject, *bodies]:
        every.add(reading)
    every.loaded.discard("subject")
    return every
