"""Errors in content that operators wrote."""


class ContentError(ValueError):
    """Content that cannot be used. The message is for its author."""

    def __init__(self, message: str, line: int | None = None, field: str = "") -> None:
        """Store the place: `line` counts from 1 (None if no line is to blame), and `field` names the text."""
        super().__init__(message)
        self.message = message
        self.line = line or 0
        self.field = field

    def __str__(self) -> str:
        """Return the message with its place: "Body, line 3: ..."."""
        place = [self.field.capitalize()] if self.field else []
        place += [f"line {self.line}"] if self.line else []
        return f"{', '.join(place)}: {self.message}" if place else self.message

    def within(self, field: str) -> "ContentError":
        """Return the same error, about this text."""
        return ContentError(self.message, self.line, field)
