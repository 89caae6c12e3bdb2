"""The words of mails that operators write: read, refused with the line, filled in, laid out.

A source is parsed and held against a list of what is allowed, never compiled to find out. What is allowed
looks names up, chooses, and repeats over one list; it calls nothing, computes nothing and reaches nothing
that was not handed in as plain values.
"""

from notifier.content.content import FIELDS, Checked, Content, Drawn
from notifier.content.errors import ContentError
from notifier.content.language import TAG, direction_of, language_of
from notifier.content.layout import Filled, lay_out
from notifier.content.parser import parse
from notifier.content.schema import Sample, shape_of

__all__ = [
    "FIELDS",
    "TAG",
    "Checked",
    "Content",
    "ContentError",
    "Drawn",
    "Filled",
    "Sample",
    "direction_of",
    "language_of",
    "lay_out",
    "parse",
    "shape_of",
]
