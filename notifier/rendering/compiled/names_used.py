"""What a template uses: names, and loops whose rows can be filled in one by one."""

from dataclasses import dataclass, field

from jinja2 import nodes


@dataclass(frozen=True, slots=True)
class RowLoop:
    """A loop over a name, and how its body uses the parts of a row."""

    name: str
    #: The names that the loop gives to the parts of a row.
    parts: tuple[str, ...]
    #: Whether a row is a tuple of its parts; otherwise it is its only part.
    is_tuple: bool
    #: Numbers of parts.
    printed: frozenset[int] = frozenset()
    tested: frozenset[int] = frozenset()
    watched: frozenset[int] = frozenset()
    #: Whether the body uses nothing but the parts of a row.
    is_alone: bool = True

    def used(self, reading: "NamesUsed") -> "RowLoop":
        """Return the loop with what its body uses of each part."""

        def numbers(names: set[str]) -> frozenset[int]:
            return frozenset(number for number, name in enumerate(self.parts) if name in names)

        return RowLoop(
            self.name,
            self.parts,
            self.is_tuple,
            numbers(reading.loaded),
            numbers(reading.tested),
            numbers(reading.watched),
            is_alone=reading.loaded <= set(self.parts),
        )


@dataclass(slots=True)
class NamesUsed:
    """The names that a template loads, the tested and watched ones among them, and the names that it sets."""

    loaded: set[str] = field(default_factory=set)
    #: Loaded for more than a test.
    printed: set[str] = field(default_factory=set)
    tested: set[str] = field(default_factory=set)
    watched: set[str] = field(default_factory=set)
    set_here: set[str] = field(default_factory=set)
    #: The loop itself does not count as a use of the name that it is over.
    loops: list[RowLoop] = field(default_factory=list)

    def add(self, other: "NamesUsed", *, without: frozenset[str] = frozenset()) -> None:
        """Add what another part uses, but for the names `without`."""
        self.loaded |= other.loaded - without
        self.printed |= other.printed - without
        self.tested |= other.tested - without
        self.watched |= other.watched - without
        self.set_here |= other.set_here - without
        self.loops += other.loops


def row_loop(node: nodes.For) -> RowLoop | None:
    """Return the loop if it is plain: over a name, without a filter, and a name for each part of a row."""
    if node.recursive or node.test is not None or not isinstance(node.iter, nodes.Name):
        return None
    if isinstance(node.target, nodes.Name):
        return RowLoop(node.iter.name, (node.target.name,), is_tuple=False)
    if not isinstance(node.target, nodes.Tuple):
        return None
    parts = tuple(part.name for part in node.target.items if isinstance(part, nodes.Name))
    if len(parts) != len(node.target.items) or len(set(parts)) != len(parts):
        return None
    return RowLoop(node.iter.name, parts, is_tuple=True)
