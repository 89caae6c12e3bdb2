"""The reverse proxy of docs/proxy.md, "Below a path", in this process: it passes on what lies below a path alone."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: Of one connection; a proxy never passes them on (RFC 9110, section 7.6.1).
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "server", "date"}


class PathProxy(ThreadingHTTPServer):
    """Set `upstream` to the port of the web process before the first request."""

    daemon_threads = True

    def __init__(self, path: str, *, strips: bool, scheme: str = "http") -> None:
        """`strips`: pass `/signup` for `/mail/signup`. `scheme`: what X-Forwarded-Proto says."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.path, self.strips, self.scheme = path, strips, scheme
        self.upstream = 0
        #: Requests for anything outside of the path, as method and path.
        self.strays: list[str] = []

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.server_address[1]


class _Handler(BaseHTTPRequestHandler):
    server: PathProxy

    def _pass_on(self) -> None:
        proxy = self.server
        if not self.path.startswith(f"{proxy.path}/"):
            proxy.strays.append(f"{self.command} {self.path}")
            self.send_error(404)
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        headers |= {"X-Forwarded-For": self.client_address[0], "X-Forwarded-Proto": proxy.scheme}
        path = self.path.removeprefix(proxy.path) if proxy.strips else self.path
        upstream = http.client.HTTPConnection("127.0.0.1", proxy.upstream, timeout=20)
        try:
            upstream.request(self.command, path, body, headers)
            answer = upstream.getresponse()
            content = answer.read()
        finally:
            upstream.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP | {"content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = _pass_on

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def proxying(path: str, *, strips: bool = False, scheme: str = "http") -> Iterator[PathProxy]:
    """A proxy that runs."""
    proxy = PathProxy(path, strips=strips, scheme=scheme)
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()
