"""Words of the protocol: names of folders, quoted strings, sets of UIDs."""

import base64
import re
from collections.abc import Iterable

#: What stands for itself in a name (RFC 3501, section 5.1.3), and what does not.
_FOREIGN = re.compile(r"[^\x20-\x7e]+")


def folder_name(name: str) -> str:
    """Return the name of a folder as a quoted string in modified UTF-7 (RFC 3501, section 5.1.3)."""
    return quoted(_FOREIGN.sub(_shifted, name.replace("&", "&-")))


def quoted(text: str) -> str:
    """Return a quoted string (RFC 3501, section 9). `text` has no line ends."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def as_set(uids: Iterable[int]) -> str:
    """Return UIDs as a sequence set such as `1:3,7`."""
    ranges: list[list[int]] = []
    for uid in sorted(set(uids)):
        if ranges and uid == ranges[-1][1] + 1:
            ranges[-1][1] = uid
        else:
            ranges.append([uid, uid])
    return ",".join(str(first) if first == last else f"{first}:{last}" for first, last in ranges)


def _shifted(found: re.Match[str]) -> str:
    encoded = base64.b64encode(found[0].encode("utf-16-be")).decode().rstrip("=")
    return f"&{encoded.replace('/', ',')}-"
