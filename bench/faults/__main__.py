"""`./run faults`: run the faults of docs/faults.md."""

import argparse
import json
import random
import sys
import time
from pathlib import Path

from bench.faults.catalogue import BACKLOG, Fault, catalogue
from bench.faults.result import Result
from bench.faults.stage import Stage, open_stage

#: Users beyond those that the largest fault needs.
SPARE = 500


def main() -> int:
    """Run the faults. Return 1 if one of them broke a promise."""
    options = _parse()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    mails, kills = (2000, 10) if options.quick else (options.emails, options.kills)
    faults = catalogue(
        mails=mails, kills=kills, policy=options.policy, seed=seed, quick=options.quick, delay_ms=options.delay_ms
    )
    chosen = [fault for fault in faults if not options.only or fault.name in options.only]
    if options.only and len({fault.name for fault in chosen}) < len(options.only):
        raise SystemExit(f"the faults are: {', '.join(dict.fromkeys(fault.name for fault in faults))}")
    _say(f"seed {seed}, {mails} emails, {kills} kills")
    results = []
    start = time.monotonic()
    with open_stage(max(mails, BACKLOG) + SPARE, keep=options.keep) as stage:
        if options.keep:
            _say(f"logs: {stage.folder}")
        for fault in chosen:
            result = _run(fault, stage)
            results.append(result)
            for line in result.lines():
                _say(line)
    failed = [result.name for result in results if not result.passed]
    _say(f"{len(results) - len(failed)} of {len(results)} passed in {time.monotonic() - start:.0f} s, seed {seed}")
    if options.json:
        report = {"seed": seed, "mails": mails, "kills": kills, "faults": [result.as_json() for result in results]}
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 1 if failed else 0


def _run(fault: Fault, stage: Stage) -> Result:
    """Run one fault. An error is a failure of this fault and does not stop the others."""
    begun = time.monotonic()
    try:
        result = fault.run(stage)
    except Exception as error:
        result = Result(fault.name, "", problems=[f"it did not finish: {type(error).__name__}: {error}"])
    result.seconds = time.monotonic() - begun
    return result


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run faults", description="Kill, hang and flood it, and count the emails.")
    parser.add_argument(
        "--emails",
        type=int,
        default=20_000,
        help="emails of kill9, campaign_kill9 and the backlog (default: %(default)s)",
    )
    parser.add_argument("--kills", type=int, default=60, help="kills of kill9 (default: %(default)s)")
    parser.add_argument(
        "--policy", choices=("resend", "never", "both"), default="both", help="policy of kill9 and campaign_kill9"
    )
    parser.add_argument("--seed", type=int, help="seed of the random choices; always printed")
    parser.add_argument("--quick", action="store_true", help="2,000 emails and 10 kills")
    parser.add_argument("--only", type=lambda text: set(text.split(",")), help="names of faults, separated by commas")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument(
        "--delay-ms", type=float, default=4.0, help="delay of each reply in kill9 (default: %(default)s)"
    )
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs and journals")
    return parser.parse_args()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
