"""Turn filled-in texts into what the email templates show: subject, heading, blocks."""

import unicodedata
from dataclasses import dataclass, replace

from notifier.content.content import Drawn, too_long
from notifier.content.errors import ContentError
from notifier.content.language import DEFAULT, Direction, direction_of, direction_within, language_of
from notifier.content.markup import Block, blocks_of
from notifier.content.sandbox import unguard
from notifier.mail.header_text import SUBJECT_LIMIT


@dataclass(frozen=True, slots=True)
class Filled:
    """The content of one email: `_content/body.html` and `.txt` show it around the data of the kind."""

    subject: str
    heading: str
    before: tuple[Block, ...]
    #: Whether the kind's own data is shown between `before` and `after`.
    has_data: bool
    after: tuple[Block, ...]
    #: BCP 47, and the direction in which it is read.
    language: str = DEFAULT
    direction: Direction = "ltr"
    #: The direction of the heading, if it differs.
    heading_direction: str = ""

    @property
    def opening(self) -> str:
        """Return the preview text for inboxes: the first paragraph that is longer than a greeting."""
        texts = [block.text for block in (*self.before, *self.after) if block.kind == "paragraph"]
        long = [text for text in texts if len(text) > 30]
        return " ".join((long or texts[-1:] or [""])[0].split())

    @property
    def text_before(self) -> str:
        """Return the first part as plain text."""
        return "\n\n".join(block.text for block in self.before)

    @property
    def text_after(self) -> str:
        """Return the second part as plain text."""
        return "\n\n".join(block.text for block in self.after)


def lay_out(drawn: Drawn, *, language: str = DEFAULT, strict: bool = False) -> Filled:
    """Read the markup of texts in this language (BCP 47).

    Raise ContentError if the subject or the body is empty. With `strict`, also raise it for invalid links and for a
    subject that would be cut.
    """
    subject, heading = _line(drawn.subject), _line(drawn.heading)
    if not subject:
        raise ContentError("The subject is empty for this person.", field="subject")
    if strict and len(unicodedata.normalize("NFC", subject)) > SUBJECT_LIMIT:
        raise ContentError(too_long(len(subject)), field="subject")
    try:
        blocks = blocks_of(drawn.body, strict=strict)
    except ContentError as error:
        raise error.within("body") from None
    if not blocks and not heading:
        raise ContentError("The email is empty for this person.", field="body")
    direction = direction_of(language)
    blocks = [_turned(block, direction) for block in blocks]
    place = next((index for index, block in enumerate(blocks) if block.kind == "content"), len(blocks))
    rest = [block for block in blocks[place:] if block.kind != "content"]
    return Filled(
        subject,
        heading,
        tuple(blocks[:place]),
        place < len(blocks),
        tuple(rest),
        language,
        direction,
        direction_within(heading, direction) or "",
    )


def subject_of(drawn: Drawn) -> str:
    """Return the subject alone, as `lay_out` does, without reading the markup of the body."""
    return _line(drawn.subject)


def _turned(block: Block, base: Direction) -> Block:
    """Return the block with its own direction and language, if the direction differs from the text around it."""
    text = "\n".join("".join(span.text for span in line) for line in block.lines)
    direction = direction_within(text, base)
    return block if direction is None else replace(block, direction=direction, language=language_of(text))


def _line(text: str) -> str:
    return " ".join(unguard(text).split())
