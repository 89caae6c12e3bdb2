"""Check, fill in and lay out the content of emails that operators write.

A source is parsed and checked against an allow-list before it is ever compiled. Allowed sources can look up names,
choose, and repeat over one list. They cannot call functions, compute, or reach anything but the plain values passed in.
"""

from notifier.content.characters import UNSHOWABLE
from notifier.content.content import FIELDS, Checked, Content, Drawn
from notifier.content.errors import ContentError
from notifier.content.language import TAG, direction_of, language_of
from notifier.content.layout import Filled, lay_out, subject_of
from notifier.content.parser import parse
from notifier.content.schema import Sample, shape_of
from notifier.content.web_address import web_address

__all__ = [
    "FIELDS",
    "TAG",
    "UNSHOWABLE",
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
    "subject_of",
    "web_address",
]
