"""What people are told about the words that they wrote."""


class WordsError(ValueError):
    """Words that cannot be. The text is for whoever wrote them."""

    def __init__(self, message: str, line: int | None = None, field: str = "") -> None:
        """`line` counts from 1; None: none in particular. `field`: which text it is about."""
        super().__init__(message)
        self.message = message
        self.line = line or 0
        self.field = field

    def __str__(self) -> str:
        """With the place: "Body, line 3: ..."."""
        place = [self.field.capitalize()] if self.field else []
        place += [f"line {self.line}"] if self.line else []
        return f"{', '.join(place)}: {self.message}" if place else self.message

    def within(self, field: str) -> "WordsError":
        """The same, about this text."""
        return WordsError(self.message, self.line, field)
