"""Templates of mails with edited words: the common ones of `_content/`, with what a kind shows of its own put in.

A kind marks that part of its templates as the block `data`. The template `<kind>/content.html` exists nowhere: it is
`_content/body.html` with that block, and with what the kind's template imports.
"""

from collections.abc import Callable

from jinja2 import Environment

from notifier.rendering.flatten import own_block

#: Where they lie, below the folder of all mails.
FOLDER = "_content"

#: What stands for them, by the part of the kind that they are made from.
_MADE = {"content.html": "body.html", "content.txt": "body.txt"}


def is_made(name: str) -> bool:
    """Whether this template is put together here."""
    return name.partition("/")[2] in _MADE


def made(name: str, read: Callable[[str], str], lexer: Environment) -> str:
    """The source of `<kind>/content.html` or `.txt`. `read` gives the text of a template file."""
    kind, _, part = name.partition("/")
    file = _MADE[part]
    extends = f'{{%- extends "{FOLDER}/{file}" -%}}'
    own = own_block(f"{kind}/{file}", read, lexer, "data")
    if own is None:
        return extends
    imports, inner = own
    return f"{extends}{imports}{{% block data %}}{inner}{{% endblock %}}"
