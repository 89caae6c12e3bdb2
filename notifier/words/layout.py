"""From what was filled in to what the templates of mails show: subject, heading, blocks."""

from dataclasses import dataclass

from notifier.words.errors import WordsError
from notifier.words.markup import Block, blocks_of
from notifier.words.sandbox import unguard
from notifier.words.texts import Drawn


@dataclass(frozen=True, slots=True)
class Filled:
    """The words of one mail: `_words/body.html` and `.txt` show them around what the kind itself knows."""

    subject: str
    heading: str
    before: tuple[Block, ...]
    #: What the kind itself knows stands between the two.
    content: bool
    after: tuple[Block, ...]

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


def lay_out(drawn: Drawn, *, strict: bool = False) -> Filled:
    """Read the markup. Raises WordsError where nothing is left of the subject or the body, and, if `strict`, for
    links that lead nowhere.
    """
    subject, heading = _line(drawn.subject), _line(drawn.heading)
    if not subject:
        raise WordsError("The subject is empty for this person.", field="subject")
    try:
        blocks = blocks_of(drawn.body, strict=strict)
    except WordsError as error:
        raise error.within("body") from None
    if not blocks and not heading:
        raise WordsError("The mail is empty for this person.", field="body")
    place = next((index for index, block in enumerate(blocks) if block.kind == "content"), len(blocks))
    rest = [block for block in blocks[place:] if block.kind != "content"]
    return Filled(subject, heading, tuple(blocks[:place]), place < len(blocks), tuple(rest))


def _line(text: str) -> str:
    return " ".join(unguard(text).split())
