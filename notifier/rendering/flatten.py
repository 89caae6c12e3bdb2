"""Join a template and the layouts that it extends into one source, before Jinja compiles it.

Styles can only be inlined into a whole page, so `extends` and `block` are resolved here, in the source. Everything else
(loops, conditions, filters, macros, imports) is left to Jinja.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from jinja2 import Environment, TemplateSyntaxError

_KEYWORD = re.compile(r"\{%[-+]?\s*(\w+)\s*")
_BLOCK_NAME = re.compile(r"\{%[-+]?\s*block\s+(\w+)")
_EXTENDS = re.compile(r"""\{%[-+]?\s*extends\s+["']([^"']+)["']\s*[-+]?%\}""")
_SUPER = re.compile(r"\{\{[-+]?\s*super\(\)\s*[-+]?\}\}\s*\Z")
#: Tags that a child template may have outside its blocks; they have no output.
_PREAMBLE = frozenset({"import", "from", "set"})
_BEGINNINGS = frozenset({"block_begin", "variable_begin", "comment_begin", "raw_begin"})
_ENDS = frozenset({"block_end", "variable_end", "comment_end", "raw_end"})


@dataclass(slots=True)
class TemplatePiece:
    """A stretch of HTML (`keyword` is None), a Jinja tag, or a block with inner pieces."""

    text: str
    keyword: str | None = None
    line: int = 1
    block: str | None = None
    inner: list["TemplatePiece"] = field(default_factory=list)


def flatten(name: str, source: Callable[[str], str], lexer: Environment) -> list[TemplatePiece]:
    """Return the pieces of the page `name`, without `extends` and `block`."""
    return list(_without_blocks(_resolve(name, source, lexer, depth=0)))


def own_block(name: str, source: Callable[[str], str], lexer: Environment, block: str) -> tuple[str, str] | None:
    """Return the imports of the file `name` and the source of its block `block`; None if it has no such block.

    Raise TemplateSyntaxError if that block contains other blocks.
    """
    tree = _nest(iter(pieces_of(source(name), name, lexer)), name)
    found = next((piece for piece in _every(tree) if piece.block == block), None)
    if found is None:
        return None
    if any(piece.block is not None for piece in found.inner):
        raise TemplateSyntaxError(f"block {block} cannot hold other blocks", found.line, name)
    imports = "".join(piece.text for piece in tree if piece.keyword in _PREAMBLE)
    return imports, "".join(piece.text for piece in found.inner)


def _every(pieces: list[TemplatePiece]) -> Iterator[TemplatePiece]:
    for piece in pieces:
        yield piece
        yield from _every(piece.inner)


def pieces_of(text: str, name: str, lexer: Environment) -> list[TemplatePiece]:
    """Split one file into HTML and Jinja tags, in order. Joined, they are the source again."""
    pieces: list[TemplatePiece] = []
    tag: list[str] | None = None
    for line, kind, value in lexer.lex(text, name):
        if kind in _BEGINNINGS:
            tag = []
        if tag is None:
            pieces.append(TemplatePiece(value, line=line))
            continue
        tag.append(value)
        if kind in _ENDS:
            joined, tag = "".join(tag), None
            keyword = _KEYWORD.match(joined)
            pieces.append(TemplatePiece(joined, keyword.group(1) if keyword else "", line))
    return pieces


def _resolve(name: str, source: Callable[[str], str], lexer: Environment, depth: int) -> list[TemplatePiece]:
    """Return the pieces with blocks still marked, so that a child can fill them."""
    if depth > 5:
        raise TemplateSyntaxError("too many layouts extend each other", 1, name)
    tree = _nest(iter(pieces_of(source(name), name, lexer)), name)
    parent = next((_EXTENDS.match(piece.text) for piece in tree if piece.keyword == "extends"), None)
    if parent is None:
        if any(piece.keyword == "extends" for piece in tree):
            raise TemplateSyntaxError("extends needs the name of a layout in quotes", 1, name)
        return tree
    blocks = {piece.block: piece for piece in tree if piece.block is not None}
    page = [_filled(piece, blocks) for piece in _resolve(parent.group(1), source, lexer, depth + 1)]
    return [*_preamble(tree, name), *page]


def _nest(pieces: Iterator[TemplatePiece], name: str, inside: TemplatePiece | None = None) -> list[TemplatePiece]:
    nested: list[TemplatePiece] = []
    for piece in pieces:
        if piece.keyword == "endblock" and inside is not None:
            return nested
        if piece.keyword == "block":
            match = _BLOCK_NAME.match(piece.text)
            if match is None:
                raise TemplateSyntaxError("a block needs a name", piece.line, name)
            piece.block = match.group(1)
            piece.inner = _nest(pieces, name, piece)
        nested.append(piece)
    if inside is not None:
        raise TemplateSyntaxError(f"block {inside.block} has no endblock", inside.line, name)
    return nested


def _preamble(tree: list[TemplatePiece], name: str) -> list[TemplatePiece]:
    kept = []
    for piece in tree:
        if piece.keyword in _PREAMBLE:
            kept.append(piece)
        elif piece.keyword and piece.keyword not in {"block", "extends"}:
            problem = f"outside its blocks, an email that extends a layout cannot have {piece.keyword!r}"
            raise TemplateSyntaxError(problem, piece.line, name)
    return kept


def _filled(piece: TemplatePiece, blocks: dict[str, TemplatePiece]) -> TemplatePiece:
    """Return the piece of the layout with the child's blocks inserted."""
    if piece.block is None:
        return piece
    own = [_filled(part, blocks) for part in piece.inner]
    child = blocks.get(piece.block)
    if child is not None:
        own = [part for given in child.inner for part in (own if _SUPER.match(given.text) else [given])]
    return TemplatePiece(piece.text, piece.keyword, piece.line, piece.block, own)


def _without_blocks(pieces: list[TemplatePiece]) -> Iterator[TemplatePiece]:
    for piece in pieces:
        if piece.block is None:
            yield piece
        else:
            yield from _without_blocks(piece.inner)
