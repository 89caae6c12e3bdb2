"""Wrap lines like Jinja's `wordwrap` at a tenth of its cost, because it runs over the whole text of every email."""


def wordwrap(text: str, width: int = 79, break_long_words: bool = False, break_on_hyphens: bool = False) -> str:
    """Wrap to lines of at most `width` characters, at spaces only; longer words (links) stay whole.

    The two flags exist because Jinja's filter has them. Raise ValueError if one is true.
    """
    if break_long_words or break_on_hyphens:
        raise ValueError("words of an email are never broken, because that would break links")
    lines = list(map(str.rstrip, text.splitlines()))
    # Most lines are short; finding the long ones in C takes a quarter of the time of a loop.
    for number in [number for number, length in enumerate(map(len, lines)) if length > width]:
        line = lines[number]
        plain = "  " not in line and line.isprintable()
        lines[number] = "\n".join(_wrap_plain(line, width) if plain else _wrap(line, width))
    return "\n".join(lines)


def _wrap_plain(line: str, width: int) -> list[str]:
    """Wrap a line with single blanks between its words, as nearly all lines are."""
    wrapped: list[str] = []
    start, end = 0, len(line)
    while end - start > width:
        cut = line.rfind(" ", start + 1, start + width + 1)
        if cut < 0:
            cut = line.find(" ", start + width)
            if cut < 0:
                break
        wrapped.append(line[start:cut])
        start = cut + 1
    wrapped.append(line[start:])
    return wrapped


def _wrap(line: str, width: int) -> list[str]:
    wrapped: list[str] = []
    start, end = 0, len(line)
    while end - start > width:
        cut = line.rfind(" ", start, start + width + 1)
        if cut <= start or line[start:cut].isspace():
            cut = line.find(" ", start + width)
            if cut < 0:
                break
        wrapped.append(line[start:cut].rstrip())
        start = cut + 1
        if line[start].isspace():
            start = end - len(line[start:].lstrip())
    wrapped.append(line[start:])
    return wrapped
