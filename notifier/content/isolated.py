"""Words that nobody has seen yet are filled in by another process, which may neither take long nor much."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from notifier.content.content import Content, Drawn
from notifier.content.errors import ContentError

#: Seconds until it is killed. It limits its own computing time far below (see `child`), so it is this machine that is
#: slow, not the text.
PATIENCE = 10.0

_ROOT = Path(__file__).resolve().parents[2]
_TOO_MUCH = "This takes too long or too much memory. Simplify it."
_BUSY = "The server is too busy to check this now. Try again in a moment."


def draw_aside(
    content: Content, offered: Mapping[str, Any], contexts: Sequence[Mapping[str, Any]], *, has_data: bool = False
) -> list[Drawn]:
    """Return what `Checked(words, offered).draw` gives for each of `contexts`, from one process of its own.

    `offered` and `contexts` are plain values. Raises ContentError as that does, and where the process had to be ended.
    """
    asked = json.dumps({"content": asdict(content), "offered": offered, "contexts": contexts, "has_data": has_data})
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "notifier.content.isolated_child"],
            input=asked.encode(), capture_output=True, timeout=PATIENCE, cwd=_ROOT, check=False,
            # Nothing of ours: no key, no address of a database.
            env={"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ContentError(_BUSY) from None
    if ended.returncode != 0:
        raise ContentError(_TOO_MUCH)
    answer = json.loads(ended.stdout)
    if "error" in answer:
        raise ContentError(**answer["error"])
    return [Drawn(**drawn) for drawn in answer["drawn"]]
