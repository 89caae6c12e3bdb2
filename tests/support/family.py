"""Who descends from a process, and who of them still lives."""

from pathlib import Path


def is_alive(pid: int) -> bool:
    """Zombies are dead: whoever should bury them is another matter."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def descendants(pid: int) -> list[int]:
    """All processes below `pid`."""
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return children + [below for child in children for below in descendants(child)]


def members(pid: int, *words: str) -> list[int]:
    """The processes below `pid` whose command line holds all the words, parents before children."""
    return [child for child in descendants(pid) if all(word in command_of(child) for word in words)]


def member(pid: int, *words: str) -> int:
    """The first of them."""
    found = members(pid, *words)
    assert found, f"no process with {words} below {pid}"
    return found[0]


def command_of(pid: int) -> str:
    """The command line, words divided by blanks."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except FileNotFoundError:
        return ""  # it ended just now
