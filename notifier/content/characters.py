"""The characters that no source of content may contain."""

import re

from notifier.content.sandbox import KEPT_FIRST, KEPT_LAST

#: Control characters, surrogates, noncharacters, and the placeholders for signs (see `sandbox.guard`).
UNSHOWABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufdd0-\ufdef\ufeff\ufffe\uffff"
    f"{KEPT_FIRST}-{KEPT_LAST}{''.join(chr(plane << 16 | low) for plane in range(1, 17) for low in (0xFFFE, 0xFFFF))}]"
)
