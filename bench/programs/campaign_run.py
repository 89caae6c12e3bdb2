"""A campaign as an operator runs it: `notifier campaign run`, as a process, for each "go"."""

import subprocess
import sys

from bench.driver import Facts, mails, serve

#: What `notifier campaign create` is told of each kind.
SETTINGS = {
    "announcement": (
        "settings.subject='News'",
        "settings.heading='What is new'",
        "settings.paragraphs=['One thing is new, and it is a good one.', 'Another one is, too: try it today.']",
        "settings.button_text='See what is new'",
        "settings.button_url='https://app.example.com/news'",
    ),
    "monthly_report": ("cron='0 9 1 * *'", "lifetime=5184000"),
    "activity_digest": ("cron='0 8 * * *'",),
}


def name_of(kind: str) -> str:
    """Return the name of the bench's campaign of this kind."""
    return f"bench-{kind.replace('_', '-')}"


def _notifier(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "notifier", *arguments], check=True, stdout=sys.stderr)


def main() -> None:
    """Create the campaign, then run it when told."""
    kind = sys.argv[1]
    values = [*SETTINGS[kind], f"audience.user_to={mails()}"]
    _notifier("campaign", "create", name_of(kind), "--kind", kind, *(f"--set={value}" for value in values))

    def work() -> Facts:
        _notifier("campaign", "run", name_of(kind), "--now")
        return {}

    serve(work)


if __name__ == "__main__":
    main()
