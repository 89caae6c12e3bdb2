"""`python -m notifier`: the notifier command."""

from notifier.app import create_app
from notifier.cli.main import build

cli = build(create_app)

if __name__ == "__main__":
    cli(prog_name="notifier")
