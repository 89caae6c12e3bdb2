"""The wheel: it holds all that runs and nothing else, and sends from an environment without the checkout."""

import re
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit
from urllib.request import urlopen
from zipfile import ZipFile

import pytest

from notifier.dev.ports import wait_until
from notifier.testing.website import Person
from tests.support.family import descendants, is_alive
from tests.support.installed import ROOT, Environment, InstalledUp, build
from tests.support.up import mails_to

#: Six Pythons import the whole application; a busy machine takes its time.
pytestmark = pytest.mark.timeout(300)

#: The migrations of another application call ours.
HOST = """
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import create_engine, inspect
from notifier import migrations

engine = create_engine("sqlite:///host.db")
with engine.connect() as connection, Operations.context(MigrationContext.configure(connection)) as op:
    migrations.upgrade(op, to="head")
    connection.commit()
print("notifier_users" in inspect(engine).get_table_names())
"""

PASSWORD = "correct horse battery staple 27"

TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
#: Addresses of what a page needs to look and work as it should.
NEEDED = re.compile(r'<(?:link|script|img)\b[^>]*\b(?:href|src)="([^"]+)"')


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as it is published: made from the sdist, which lies beside it."""
    return build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the wheel."""
    made = Environment(tmp_path_factory.mktemp("environment"))
    made.install(wheel)
    return made


@pytest.fixture(scope="module")
def up(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InstalledUp]:
    """`notifier up`, in a folder where `notifier db upgrade` and `notifier operator create` have run before."""
    folder = tmp_path_factory.mktemp("work")
    assert "up to date" in environment.run("db", "upgrade", cwd=folder)
    environment.run("operator", "create", "boss@example.com", "--password", PASSWORD, cwd=folder)
    running = InstalledUp(folder, environment)
    running.wait_until_up()
    yield running
    family = descendants(running.process.pid)
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(60) == 0, running.says()[-5000:]
    assert [pid for pid in family if is_alive(pid)] == []


def contents(wheel: Path) -> dict[str, bytes]:
    """Name -> content. RECORD names the others."""
    with ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/RECORD")}


def tracked(*folders: str) -> set[str]:
    """The files of these folders that are in the repository, or belong there."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *folders]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return set(listed.stdout.splitlines())


def test_it_holds_the_package_its_folders_and_nothing_else(wheel: Path) -> None:
    names = {name for name in contents(wheel) if ".dist-info/" not in name}
    assert names == {
        *tracked("notifier"),
        *(f"notifier/_data/{name}" for name in tracked("templates", "migrations")),
    }


def test_it_names_its_license_and_its_program(wheel: Path) -> None:
    held = contents(wheel)
    (license_,) = (name for name in held if name.endswith(".dist-info/licenses/LICENSE"))
    assert held[license_] == (ROOT / "LICENSE").read_bytes()
    (programs,) = (name for name in held if name.endswith(".dist-info/entry_points.txt"))
    assert "notifier = notifier.__main__:cli" in held[programs].decode()


def test_the_sdist_makes_the_wheel_that_the_checkout_makes(wheel: Path, tmp_path: Path) -> None:
    assert contents(wheel) == contents(build(tmp_path, "--wheel"))


def test_the_sdist_holds_no_tests_and_nothing_of_this_machine(wheel: Path) -> None:
    (sdist,) = wheel.parent.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    others = {name.partition("/")[0] for name in names} - {"notifier", "templates", "migrations"}
    assert others == {
        *("wsgi.py", "gunicorn.conf.py", "requirements.txt", "pyproject.toml"),
        *("CHANGELOG.md", "LICENSE", "README.md", "PKG-INFO", ".gitignore"),
    }
    assert not [name for name in names if "__pycache__" in name]


def test_the_environment_has_no_other_notifier(environment: Environment, tmp_path: Path) -> None:
    found = environment.ask("import notifier; print(notifier.__file__)", cwd=tmp_path)
    assert Path(found).is_relative_to(environment.folder)


def test_another_application_migrates_with_it(environment: Environment, tmp_path: Path) -> None:
    assert environment.ask(HOST, cwd=tmp_path) == "True"


def test_a_signup_reaches_the_inbox(up: InstalledUp) -> None:
    web, inbox = up.address("web"), up.address("inbox")
    answer = Person().press(f"{web}/signup", email="ada@example.com", display_name="Ada")
    assert (answer.status, urlsplit(answer.headers["Location"]).path) == (303, "/check-inbox")
    assert wait_until(lambda: bool(mails_to(inbox, "ada@example.com")), 60, 0.2), up.says()[-3000:]
    (email,) = mails_to(inbox, "ada@example.com")
    assert f"{web}/verify/" in email["Raw"]["Data"].replace("=\r\n", "").replace("=3D", "=")


def test_every_page_has_its_styles_and_scripts(up: InstalledUp) -> None:
    web, inbox = up.address("web"), up.address("inbox")
    operator = Person()
    came = operator.press(f"{web}/admin/sign-in", email="boss@example.com", password=PASSWORD)
    assert came.status in {302, 303}, came.text
    for person, page in (
        (Person(), f"{web}/"),
        (Person(), f"{web}/signup"),
        (Person(), preferences(up)),
        (Person(), f"{web}/admin/sign-in"),
        (operator, f"{web}/admin/"),
        (operator, f"{web}/admin/campaigns/"),
        (Person(), f"{inbox}/"),
    ):
        assert_complete(person, page)


def assert_complete(person: Person, page: str) -> None:
    """The page and all that it names answer, each as the type that browsers take it for."""
    answer = person.ask("GET", page)
    assert (answer.status, answer.headers.get_content_type()) == (200, "text/html"), page
    needed = {urljoin(page, address) for address in NEEDED.findall(answer.text)}
    assert any(urlsplit(address).path.endswith(".css") for address in needed), page
    for address in needed:
        with urlopen(address, timeout=20) as found:
            type_ = TYPES[Path(urlsplit(address).path).suffix]
            assert (found.status, found.headers.get_content_type()) == (200, type_), address
            assert found.read(), address


def preferences(up: InstalledUp) -> str:
    """The address of somebody's page, as their emails carry it."""
    code = (
        "from notifier import clock; from notifier.app import create_app; from notifier.services import services_of\n"
        "links = services_of(create_app()).links\n"
        "print(links.preferences(user_id=1, identity_key='ada@example.com', notification_id=None, "
        "issued_at=clock.now()))"
    )
    up.run("seed", "--users", "1")
    return up.environment.ask(code, cwd=up.data.parent)
