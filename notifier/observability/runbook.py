"""Where the runbook says what to do."""

#: In the repository, for operators whose copy has no address.
RUNBOOK = "docs/runbook.md"


def place(anchor: str, base: str) -> str:
    """Return the address of a heading of the runbook at `base` (RUNBOOK_URL), or its place in the repository."""
    return f"{base or RUNBOOK}#{anchor}"
