"""Emails in files, mboxes, folders and Maildirs."""

import io
import os
from pathlib import Path

from notifier.bounces.files import MAX_READ, Found, emails_in, emails_of, new_in

ONE, TWO = b"Subject: one\n\nFrom here on\n", b"Subject: two\r\n\r\nx\r\n"


def test_a_file_is_one_email(tmp_path: Path) -> None:
    path = tmp_path / "one.eml"
    path.write_bytes(ONE)
    assert list(emails_in(path)) == [Found(str(path), ONE)]
    path.write_bytes(b"")
    assert list(emails_in(path)) == [Found(str(path))]


def test_an_mbox_is_as_many_as_it_holds() -> None:
    line = b"From x@y Tue Nov  3 10:00:00 2026\n"
    alone = list(emails_of("box", io.BytesIO(line + ONE)))
    assert alone == [Found("box", line + ONE)]
    box = line + ONE + b"\n" + line + TWO + b"\r\n" + line + ONE
    assert [(found.name, found.data.partition(b"\n")[2].strip()) for found in emails_of("box", io.BytesIO(box))] == [
        ("box#1", ONE.strip()), ("box#2", TWO.strip()), ("box#3", ONE.strip())
    ]  # fmt: skip


def test_an_email_of_any_length_is_read_in_part() -> None:
    long = b"Subject: x\n\n" + b"y" * 3 * MAX_READ
    assert len(next(emails_of("x", io.BytesIO(long))).data) == MAX_READ
    line = b"From x@y Tue Nov  3 10:00:00 2026\n"
    first, second = emails_of("x", io.BytesIO(line + long + b"\n\n" + line + ONE))
    assert (len(first.data), second.data) == (MAX_READ, line + ONE)


def test_a_folder_and_a_maildir(tmp_path: Path) -> None:
    for name in ("b.eml", "a.eml", ".hidden"):
        (tmp_path / name).write_bytes(ONE)
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "c.eml").write_bytes(ONE)
    assert [Path(found.name).name for found in emails_in(tmp_path)] == ["a.eml", "b.eml"]
    for name in ("new", "cur", "tmp"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"1.{name}").write_bytes(TWO)
    assert [Path(found.name).name for found in emails_in(tmp_path)] == ["1.new", "1.cur"]


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    assert list(emails_in(tmp_path / "absent")) == [Found(str(tmp_path / "absent"), error="No such file or directory")]
    os.mkfifo(tmp_path / "fifo")
    assert list(emails_in(tmp_path / "fifo")) == [Found(str(tmp_path / "fifo"), error="not a file")]


def test_pipes_and_links_in_a_maildir_are_told_and_the_others_read(tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.mkdir()
    (tmp_path / "secret").write_bytes(TWO)
    (new / "file").write_bytes(ONE)
    os.mkfifo(new / "fifo")
    (new / "link").symlink_to(tmp_path / "secret")
    (new / "folder").symlink_to(tmp_path)
    found = {Path(each.name).name: each for each in new_in(tmp_path)}
    assert found.pop("file").data == ONE
    assert {name: each.error for name, each in found.items()} == dict.fromkeys(("fifo", "link", "folder"), "not a file")
