"""docs/embedding.md is true: its files are an application, and the tests of that application pass."""

import re
from pathlib import Path

import pytest

from tests.testing.conftest import ROOT, run_pytest

PAGE = (ROOT / "docs" / "embedding.md").read_text("utf-8")
FILES = dict(re.findall(r"^`([\w./]+)`:\n\n```\w+\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE))

#: The page shows a kind of the reader's own, but registers it in passing: here it is part of the application.
RECEIPT = """
import app, kinds
from models import User, db

def test_a_receipt(app, emails):
    user = User(email="ada@example.com")
    db.session.add(user)
    db.session.flush()
    notifier = app.extensions["notifier"]
    for _ in range(2):
        notifier.send("order_receipt", to=user, data={"order": 17, "total": "€56.00"}, key="receipt:17")
    db.session.commit()
    [_, receipt] = emails.sent
    assert receipt.subject == "Your order 17"
    assert "Thank you for your order 17: €56.00." in receipt.text
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    return tmp_path


def test_the_application_of_the_page_passes_its_tests(project: Path) -> None:
    assert len(FILES) == 8
    output = run_pytest(project)
    assert "3 passed" in output, output


def test_the_kind_of_the_page_is_sent(project: Path) -> None:
    application = (project / "app.py").read_text()
    registered = application.replace("Notifier()\n", "Notifier(kinds=[OrderReceipt()])\n")
    (project / "app.py").write_text(registered.replace("from models", "from kinds import OrderReceipt\nfrom models"))
    (project / "test_emails.py").write_text(RECEIPT)
    output = run_pytest(project)
    assert "1 passed" in output, output


def test_it_would_notice_a_mistake(project: Path) -> None:
    application = (project / "app.py").read_text()
    (project / "app.py").write_text(application.replace('notifier.send("verification", to=user)', "pass"))
    assert "1 failed, 2 passed" in run_pytest(project)
