"""A child for the supervisor's tests: notes what happens to it, and misbehaves on request.

Only the standard library, and started with -S -E: it has to be quick.
"""

import argparse
import os
import signal
import sys
import time
from pathlib import Path


def main() -> None:
    """Run until SIGTERM, or as the options say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("journal", type=Path)
    parser.add_argument("--ready", type=Path)
    parser.add_argument("--ready-after", type=float, default=0)
    parser.add_argument("--live", type=float, default=60, help="seconds until it ends by itself")
    parser.add_argument("--code", type=int, default=3)
    parser.add_argument("--deaf", action="store_true", help="ignores SIGTERM")
    parser.add_argument("--fork", action="store_true", help="has a child of its own")
    options = parser.parse_args()

    def note(what: str) -> None:
        with options.journal.open("a") as journal:
            journal.write(f"{options.name} {what} {os.getpid()}\n")

    def stop(number: int, frame: object) -> None:
        note("stop")
        sys.exit(0)

    signal.signal(signal.SIGTERM, signal.SIG_IGN if options.deaf else stop)
    if options.fork and os.fork() == 0:
        note("start")
        time.sleep(60)
    note("start")
    print(f"hello from {options.name}", flush=True)  # noqa: T201 - the output is what is tested
    time.sleep(options.ready_after)
    if options.ready:
        note("ready")
        options.ready.touch()
    time.sleep(options.live)
    print("goodbye, cruel world", flush=True)  # noqa: T201
    sys.exit(options.code)


main()
