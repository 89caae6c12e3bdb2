"""`python -m notifier.content.isolated_child`: fills content in, within limits of the kernel. JSON in, JSON out."""

import json
import resource
import sys
from dataclasses import asdict
from typing import Any

from notifier.content.content import Checked, Content
from notifier.content.errors import ContentError

#: Seconds of computing, and bytes of memory in all.
CPU, MEMORY = 2, 256 * 1024 * 1024


def _limit() -> None:
    """Nothing that comes later can lift it. Files cannot be written, and no process can be begun."""
    for what, most in (
        (resource.RLIMIT_CPU, CPU),
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(what, (most, most))


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """What `notifier.content.isolated` asks for."""
    try:
        checked = Checked(Content(**asked["content"]), asked["offered"], has_data=asked["has_data"])
        drawn = [asdict(checked.draw(context)) for context in asked["contexts"]]
    except ContentError as error:
        return {"error": {"message": error.message, "line": error.line, "field": error.field}}
    return {"drawn": drawn}


def main() -> None:
    """Answer one question."""
    _limit()
    asked = json.loads(sys.stdin.buffer.read())
    sys.stdout.write(json.dumps(answer(asked)))


if __name__ == "__main__":
    main()
