"""The shapes of requests and answers: what all resources share."""

import enum
import re
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from notifier.clock import LATEST
from notifier.mail.characters import escaped

#: RFC 3339, section 5.6. A second is never 60: no clock of ours has that moment.
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


#: The schemas of parameters.
_SCHEMAS: Final[dict[type[BaseModel], dict[str, Any]]] = {}


class Whereabouts(enum.Enum):
    """In which part of a request a model is."""

    body = enum.auto()
    parameter = enum.auto()

    @staticmethod
    def of(model: str) -> "Whereabouts":
        """Return where the model of this name is."""
        return Whereabouts.parameter if model in _Parameters.names else Whereabouts.body


class Body(BaseModel):
    """The body of a request, or a part of it. It takes no field that it does not know."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, str_strip_whitespace=False)


class _Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    #: The names of all such models.
    names: ClassVar[set[str]] = set()

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        cls.names.add(cls.__name__)

    @classmethod
    def model_json_schema(cls, *args: Any, **options: Any) -> dict[str, Any]:
        """Return the schema, made once: flask-openapi asks for it with every request, which takes a millisecond."""
        if args or options:
            return super().model_json_schema(*args, **options)
        if cls not in _SCHEMAS:
            _SCHEMAS[cls] = super().model_json_schema()
        return _SCHEMAS[cls]


class Path(_Parameters):
    """The variable parts of a path."""


class Query(_Parameters):
    """The parameters behind the question mark."""


class Header(_Parameters):
    """The headers that an operation reads. Those that it does not know are no mistake."""

    model_config = ConfigDict(extra="ignore")


class Answer(BaseModel):
    """The body of an answer. Fields may be added to it, and none is ever removed."""


def _moment(value: object) -> datetime:
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise PydanticCustomError(
            "moment", "Write a moment with its offset by RFC 3339, such as 2027-01-31T09:00:00+01:00"
        )
    try:
        # Python reads at most six digits of a second.
        moment = datetime.fromisoformat(re.sub(r"(\.[0-9]{6})[0-9]+", r"\1", value.upper())).astimezone(UTC)
    except (ValueError, OverflowError):
        raise PydanticCustomError("moment", "There is no such moment") from None
    if moment >= LATEST:
        raise PydanticCustomError("moment", "The moment must lie before the year 9000")
    return moment


_MOMENT_SCHEMA: Final = {"type": "string", "format": "date-time"}

#: A moment of a request: RFC 3339 with an offset, as text; in UTC.
Moment = Annotated[datetime, BeforeValidator(_moment), WithJsonSchema(_MOMENT_SCHEMA)]


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


#: A moment of an answer.
ShownMoment = Annotated[datetime, PlainSerializer(_shown), WithJsonSchema(_MOMENT_SCHEMA)]


def _one_line(text: str) -> str:
    # A joiner within an emoji is not printable, but belongs to a name all the same.
    if escaped(text) != text or any(char in text for char in "\t\n\r"):
        raise PydanticCustomError("unprintable", "The text has a control character or a line break")
    return text


def _printable(text: str) -> str:
    if not text.isprintable():
        raise PydanticCustomError("unprintable", "The text has a character that cannot be printed")
    return text


#: A text of one line, for people.
Line = Annotated[str, AfterValidator(_one_line)]

#: A name, for programs.
Printable = Annotated[str, AfterValidator(_printable)]

#: An address. Which ones can be used, `mail.addresses` says.
Email = Annotated[str, Field(max_length=320, examples=["ada@example.com"], json_schema_extra={"format": "email"})]

#: The id of a person in the caller's application, which never begins with a tilde.
ExternalId = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9._:@|-][A-Za-z0-9._:@|~-]{0,199}$"), Field(examples=["user-17"])
]

#: The key of an email or an activity: printable ASCII.
Key = Annotated[str, StringConstraints(pattern=r"^[ -~]{1,200}$"), Field(examples=["receipt:1234"])]

#: The id of a row of ours. It is a text, because JSON's numbers are not exact in every language.
RowId = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,17}$"), Field(examples=["4711"])]


def pointer_to(loc: tuple[int | str, ...]) -> str:
    """Return the JSON pointer of a place, as a fragment (RFC 6901, section 6)."""
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in loc)
    return "#" + "".join(f"/{step}" for step in steps)
