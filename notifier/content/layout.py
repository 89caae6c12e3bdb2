"""From what was filled in to what the templates of mails show: subject, heading, blocks."""

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
    """The words of one mail: `_content/body.html` and `.txt` show them around what the kind itself knows."""

    subject: str
    heading: str
    before: tuple[Block, ...]
    #: What the kind itself knows stands between the two.
    has_data: bool
    after: tuple[Block, ...]
    #: BCP 47, and the direction in which it is read.
    language: str = DEFAULT
    direction: Direction = "ltr"
    #: Of the heading, where it is read in the other one.
    heading_direction: str = ""

    @property
    def opening(self) -> str:
        """What an inbox shows beside the subject: the first text that is no greeting of a few words."""
        texts = [block.text for block in (*self.before, *self.after) if block.kind == "paragraph"]
        long = [text for text in texts if len(text) > 30]
        return " ".join((long or texts[-1:] or [""])[0].split())

    @property
    def text_before(self) -> str:
        """The first part as text."""
        return "\n\n".join(block.text for block in self.before)

    @property
    def text_after(self) -> str:
        """The second part as text."""
        return "\n\n".join(block.text for block in self.after)


def lay_out(drawn: Drawn, *, language: str = DEFAULT, strict: bool = False) -> Filled:
    """Read the markup of a text in this language (BCP 47). Raises ContentError where nothing is left of the subject or
    the body, and, if `strict`, for links that lead nowhere and for a subject that would be cut.
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


def _turned(block: Block, base: Direction) -> Block:
    """The block with its own direction, where that is not the one of the text around it."""
    text = "\n".join("".join(span.text for span in line) for line in block.lines)
    direction = direction_within(text, base)
    return block if direction is None else replace(block, direction=direction, language=language_of(text))


def _line(text: str) -> str:
    return " ".join(unguard(text).split())
