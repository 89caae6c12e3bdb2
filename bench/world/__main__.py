"""A campaign to a scripted world: `python -m bench.world`.

Real Postgres, broker, worker and mail server, all on loopback. 2.5 % of the people have no mailbox, 5 % have a full one
that is emptied later, and 0.3 % of those at Gmail complain. Reports come back into a Maildir while the campaign is
sent, and `notifier bounces read` reads them. It prints when which brake stops what, and what everyone got. Exit with 1
if a claim fails.
"""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.children import ChildError
from bench.faults.result import Result
from bench.faults.stage import Stage, open_stage
from bench.world.campaign import campaign
from bench.world.dns import ScriptedDns
from bench.world.refusing import refusing

Act = Callable[[Stage], Result]


def main() -> int:
    """Run the acts. Return 1 if a claim fails."""
    options = _parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    acts: dict[str, Act] = {
        "relay": partial(campaign, emails=options.emails, seed=options.seed, direct=False),
        "direct": partial(campaign, emails=options.direct_emails, seed=options.seed, direct=True),
        "refused": partial(refusing, customers=False),
        "customers": partial(refusing, customers=True),
    }
    chosen = options.only or list(acts)
    results = []
    with open_stage(max(options.emails, options.direct_emails), keep=options.keep, resolver=ScriptedDns) as stage:
        for name in chosen:
            result = _run(acts[name], stage)
            results.append(result)
            _say("\n".join(result.lines()))
    failed = [each for each in results if not each.passed]
    _say(f"{len(results) - len(failed)} of {len(results)} passed, seed {options.seed}, load {os.getloadavg()[0]:.1f}")
    if options.json:
        options.json.write_text(json.dumps([each.as_json() for each in results], indent=2) + "\n", encoding="utf-8")
    return 1 if failed else 0


def _run(act: Act, stage: Stage) -> Result:
    """Run one act. A process that fails is a failure of this act, and does not stop the others."""
    begun = time.monotonic()
    try:
        result = act(stage)
    except ChildError as error:
        result = Result("an act", "", problems=[str(error)])
    result.seconds = time.monotonic() - begun
    return result


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.world", description=__doc__)
    parser.add_argument("--emails", type=int, default=10_000, help="emails of the campaign behind a relay")
    parser.add_argument("--direct-emails", type=int, default=6000, help="emails of the one that is refused at once")
    parser.add_argument(
        "--only", nargs="+", choices=("relay", "direct", "refused", "customers"), help="these acts alone"
    )
    parser.add_argument("--seed", type=int, default=1, help="decides who is who")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs")
    return parser.parse_args()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
