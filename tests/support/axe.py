"""axe-core, which knows what keeps people out of a page."""

from pathlib import Path

import axe_core_python
from playwright.sync_api import Page

_SCRIPT = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


def serious(shot: Page) -> list[str]:
    """What is serious or worse on this page: the rule, and where."""
    # Evaluated by the debugger, so the page's own policy for scripts stays as it is.
    shot.evaluate(_SCRIPT)
    found = shot.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['id']}: {node['target']}"
        for each in found["violations"]
        if each["impact"] in {"serious", "critical"}
        for node in each["nodes"]
    ]
