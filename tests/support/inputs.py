"""The inputs of a form of our pages, as a browser would send them back."""

import re
from html import unescape

from werkzeug.datastructures import MultiDict


def fields_of(page: str, which: str = '<form class="sheet"') -> MultiDict[str, str]:
    """Return the inputs of a form, the first that begins with `which`, as a browser would send them back."""
    form = page.partition(which)[2].partition("</form>")[0]
    fields: MultiDict[str, str] = MultiDict()
    for tag in re.findall(r"<input\b[^>]*>", form):
        found = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if found.get("type") in ("radio", "checkbox") and " checked" not in tag:
            continue
        fields.add(found["name"], unescape(found.get("value", "")))
    for tag, inner in re.findall(r"(<select\b[^>]*>)(.*?)</select>", form, re.DOTALL):
        for attributes, text in re.findall(r"<option\b([^>]*)>([^<]*)", inner):
            value = re.search(r'value="([^"]*)"', attributes)
            if " selected" in attributes:
                fields.add(_name_of(tag), unescape(value[1] if value else text))
    for tag, inner in re.findall(r"(<textarea\b[^>]*>)(.*?)</textarea>", form, re.DOTALL):
        # HTML leaves out the line break right after the tag.
        fields.add(_name_of(tag), unescape(inner).removeprefix("\r\n").removeprefix("\n"))
    return fields


def _name_of(tag: str) -> str:
    found = re.search(r'\bname="([^"]*)"', tag)
    assert found, tag
    return found[1]
