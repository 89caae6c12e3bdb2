"""Forms of our pages, for clients without a browser."""

from html.parser import HTMLParser

from werkzeug.datastructures import MultiDict


def csrf_token(page: str) -> str:
    """Return the CSRF token of the first form on a page. Raise AssertionError if there is no form."""
    tag = page.partition('name="csrf_token"')[2].partition(">")[0]
    token = tag.partition('value="')[2].partition('"')[0]
    assert token, f"the page has no form: {page[:500]}"
    return token


def fields_of(page: str, which: str = '<form class="sheet"') -> MultiDict[str, str]:
    """Return the fields of a form, the first that begins with `which`, as a browser would send them back."""
    reader = _Fields()
    reader.feed(page.partition(which)[2].partition("</form>")[0])
    return reader.fields


class _Fields(HTMLParser):
    """Collect the successful controls of a form (HTML, "constructing the entry list")."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: MultiDict[str, str] = MultiDict()
        #: The name of the select or textarea that is open.
        self._name = ""
        #: The value of the selected option that is open; None: its text counts.
        self._value: str | None = None
        #: The text of the textarea or of the selected option that is open; None: no text counts.
        self._text: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Add an input; begin a select, an option or a textarea."""
        given = dict(attrs)
        name = given.get("name") or ""
        if tag == "input" and name and (given.get("type") not in {"radio", "checkbox"} or "checked" in given):
            self.fields.add(name, given.get("value") or "")
        elif tag in {"select", "textarea"}:
            self._name = name
        if tag == "textarea" or (tag == "option" and "selected" in given):
            self._value, self._text = given.get("value"), ""

    def handle_data(self, data: str) -> None:
        """Keep the text of a textarea or an option."""
        if self._text is not None:
            self._text += data

    def handle_endtag(self, tag: str) -> None:
        """Add the field that ends here."""
        if self._text is None or tag not in {"option", "textarea"}:
            return
        # HTML leaves out the line break right after the tag of a textarea.
        text = self._text.removeprefix("\r\n").removeprefix("\n") if tag == "textarea" else self._text
        self.fields.add(self._name, text if self._value is None else self._value)
        self._text = None
