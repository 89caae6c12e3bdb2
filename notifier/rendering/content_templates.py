"""Make templates for edited content: the common ones of `_content/`, with the data of a kind inserted.

A kind marks that part of its templates as the block `data`. The template `<kind>/content.html` is not a file: it is
`_content/body.html` with that block and the imports of the kind's template.
"""

from collections.abc import Callable

from jinja2 import Environment

from notifier.rendering.flatten import own_block

#: Their folder, below the folder of all email templates.
FOLDER = "_content"

#: The kind's template file by the name of the template that is made from it.
_MADE = {"content.html": "body.html", "content.txt": "body.txt"}


def is_made(name: str) -> bool:
    """Return whether this template is made here, and not a file."""
    return name.partition("/")[2] in _MADE


def made(name: str, read: Callable[[str], str], lexer: Environment) -> str:
    """Return the source of `<kind>/content.html` or `.txt`. `read` returns the text of a template file."""
    kind, _, part = name.partition("/")
    file = _MADE[part]
    extends = f'{{%- extends "{FOLDER}/{file}" -%}}'
    own = own_block(f"{kind}/{file}", read, lexer, "data")
    if own is None:
        return extends
    imports, inner = own
    return f"{extends}{imports}{{% block data %}}{inner}{{% endblock %}}"
