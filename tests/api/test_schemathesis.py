"""schemathesis against a real server: every answer is documented, and none is a fault of ours."""

import json
import os
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
from tests.support import api_meanings as meanings
from tests.support.one_database import database_url

__all__ = ["database_url"]

HOOKS = Path(meanings.__file__)

#: NUL is refused everywhere, which no schema of a free text says; `test_gate` probes it. Operations whose data may be
#: refused for their meaning, and batches, have checks of ours instead of those of schemathesis.
CONFIG = f"""
[generation]
allow-x00 = false

[[operations]]
include-operation-id = {json.dumps([*meanings.MEANINGS])}
checks.positive_data_acceptance.enabled = false

[[operations]]
include-operation-id = {json.dumps(meanings.BATCHES)}
checks.negative_data_rejection.enabled = false
"""


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
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG)
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(config), "run",
        f"{address}/openapi.json", "--url", address,
        "--header", f"Authorization: Bearer {make_key(app, *Scope)}", "--mode", "all", "--max-examples", "10",
        "--no-shrink",
        "--phases", "examples,coverage,fuzzing,stateful", "--no-color",
        "--generation-deterministic", "--suppress-health-check", "all",
    ]  # fmt: skip
    environment = os.environ | {"SCHEMATHESIS_HOOKS": str(HOOKS)}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
