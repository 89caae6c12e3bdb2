"""schemathesis against a real server: every answer is documented, and none is a fault of ours."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from notifier.operators.scopes import Scope
from tests.api.conftest import make_key
from tests.support.one_database import database_url

__all__ = ["database_url"]

#: What these find is meant: texts that match a schema may still be no time zone or no kind of email, and items of a
#: batch are refused one by one.
LEFT_OUT = "positive_data_acceptance,negative_data_rejection"


class Silent(WSGIRequestHandler):
    """Logs no request: there are thousands."""

    def log(self, type: str, message: str, *args: object) -> None:
        pass


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Silent)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.timeout(600)
def test_no_answer_is_a_surprise(app: Flask, address: str, tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", f"{address}/openapi.json", "--url", address,
        "--header", f"Authorization: Bearer {make_key(app, *Scope)}", "--mode", "all", "--max-examples", "10",
        "--no-shrink",
        "--phases", "examples,coverage,fuzzing,stateful", "--exclude-checks", LEFT_OUT, "--no-color",
        "--generation-deterministic", "--suppress-health-check", "all",
    ]  # fmt: skip
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
