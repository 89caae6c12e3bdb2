"""`python -m bench.bounces FOLDER`: how well bounces are understood, on a corpus with labels.

FOLDER holds emails and `labels.tsv`: lines of a file's name, a tab and a label. The labels: `hard` (the address is
dead), `soft` (the email failed for any other reason), `late` (nothing failed yet), `neutral` (suspended or filtered:
right either way), `other` (no bounce). It prints how many bounces get a verdict, how many hard ones are found, how many
addresses would be suppressed wrongly, and how many other emails act. `--list` names each file that counts as a mistake.
With `--json` it prints one object. Exit with 1 if a figure is worse than `BAR`.

The labels of `bench/bounces_labels.tsv` belong to two public corpora that are not ours to copy: the tests of
flufl.bounce (in its source archive on PyPI: `pip download flufl.bounce==6.0.0 --no-binary :all: --no-deps`), and those
of Mail::DeliveryStatus::BounceParser (in Debian's source package libmail-deliverystatus-bounceparser-perl). Copy their
emails into one folder as `flufl__NAME` and `mdsbp__NAME`, with the labels as `labels.tsv`.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from notifier.bounces.reading import Report, read
from notifier.bounces.reasons import Kind, Verdict

#: The bar: shares of bounces with a verdict, of hard ones found, of wrong suppressions.
BAR = {"verdict": 0.92, "hard": 0.88, "wrong": 0.02}
LABELS = frozenset({"hard", "soft", "late", "neutral", "other"})


@dataclass
class Score:
    """Counts of files, and the names of those that were judged wrongly."""

    bounces: int = 0
    verdicts: int = 0
    hard: int = 0
    hard_found: int = 0
    suppressed: int = 0
    suppressed_wrongly: int = 0
    others: int = 0
    others_acted: int = 0
    mistakes: list[str] = field(default_factory=list)

    def add(self, name: str, label: str, report: Report) -> None:
        """Count one file."""
        acts = report.verdict is Verdict.HARD or report.kind is Kind.COMPLAINT
        wrong = label not in {"hard", "neutral"} and acts
        if label == "other":
            self.others += 1
            self.others_acted += acts
        else:
            has_verdict = report.verdict is not Verdict.NONE
            self.bounces += label != "late"
            self.verdicts += label != "late" and has_verdict
            self.hard += label == "hard"
            self.hard_found += label == "hard" and acts
            self.suppressed += acts and label != "neutral"
            self.suppressed_wrongly += wrong
        if wrong or (label == "hard" and not acts) or (label in {"soft", "neutral"} and report.verdict is Verdict.NONE):
            self.mistakes.append(f"{name}: {label}, but {report.kind} {report.verdict} {report.reason or ''}".rstrip())

    def shares(self) -> dict[str, float]:
        """Return the shares that the bar is about."""
        return {
            "verdict": self.verdicts / (self.bounces or 1),
            "hard": self.hard_found / (self.hard or 1),
            "wrong": self.suppressed_wrongly / (self.suppressed or 1),
        }

    def passes(self) -> bool:
        """Return whether all figures are at least as good as the bar."""
        shares = self.shares()
        good = shares["verdict"] >= BAR["verdict"] and shares["hard"] >= BAR["hard"] and shares["wrong"] <= BAR["wrong"]
        return good and not self.others_acted


def labelled(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the emails that are there, with their labels. Raise SystemExit for a label that is none."""
    for line in (folder / "labels.tsv").read_text().splitlines():
        name, _, label = line.partition("\t")
        if label not in LABELS:
            raise SystemExit(f"{name}: {label or 'no label'} is not one of {', '.join(sorted(LABELS))}")
        if (folder / name).is_file():
            yield folder / name, label


def main() -> None:
    """Measure one folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--list", action="store_true", help="name the files that count as mistakes")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    score = Score()
    for path, label in labelled(options.folder):
        score.add(path.name, label, read(path.read_bytes()))
    console = Console(width=100)
    if options.json:
        console.print_json(data=asdict(score) | score.shares())
    else:
        console.print(table(score))
        if options.list:
            console.print("\n".join(score.mistakes), markup=False, highlight=False)
    sys.exit(0 if score.passes() else 1)


def table(score: Score) -> Table:
    """Return the figures, with their shares and the bar."""
    shares, shown = score.shares(), Table(box=None, pad_edge=False)
    for heading in ("", "files", "share", "bar"):
        shown.add_column(heading, justify="left" if heading in {"", "bar"} else "right")
    rows = (
        ("bounces", score.bounces, "", ""),
        ("with a verdict", score.verdicts, f"{shares['verdict']:.1%}", f"at least {BAR['verdict']:.0%}"),
        ("hard", score.hard, "", ""),
        ("hard and found", score.hard_found, f"{shares['hard']:.1%}", f"at least {BAR['hard']:.0%}"),
        ("suppressed", score.suppressed, "", ""),
        ("suppressed wrongly", score.suppressed_wrongly, f"{shares['wrong']:.1%}", f"at most {BAR['wrong']:.0%}"),
        ("other emails", score.others, "", ""),
        ("other emails that act", score.others_acted, "", "none"),
    )
    for row in rows:
        shown.add_row(*map(str, row))
    return shown


if __name__ == "__main__":
    main()
