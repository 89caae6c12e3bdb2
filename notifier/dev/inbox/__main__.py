"""`python -m notifier.dev.inbox`: run the inbox as a process of its own."""

import argparse
import asyncio
import signal
import sys
import threading

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from notifier.dev.inbox.app import create_inbox_app
from notifier.dev.inbox.reports import Listener
from notifier.dev.inbox.returning import Returns
from notifier.dev.inbox.smtp import serve_smtp
from notifier.dev.inbox.store import Inbox


class QuietHandler(WSGIRequestHandler):
    """A request handler without a log line for each request, because inbox pages poll."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing."""


def http_server(inbox: Inbox, host: str, port: int, returns: Returns | None) -> BaseWSGIServer:
    """Return a threaded server that is bound but not yet serving."""
    return make_server(
        host, port, create_inbox_app(inbox, host, returns), threaded=True, request_handler=QuietHandler
    )  # fmt: skip


async def serve(host: str, smtp_port: int, http_port: int, returns: Returns | None) -> None:
    """Run both servers until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    inbox = Inbox()
    # SMTP listens on loopback only, even if the pages don't. Pages start last: once they are visible, SMTP works.
    smtp = await serve_smtp(inbox, "127.0.0.1", smtp_port)
    pages = http_server(inbox, host, http_port, returns)
    thread = threading.Thread(target=pages.serve_forever, name="http", daemon=True)
    thread.start()
    sys.stdout.write(f"inbox: smtp 127.0.0.1:{smtp_port}, pages http://{host}:{pages.server_port}\n")
    sys.stdout.flush()
    await stop.wait()
    smtp.close()
    await asyncio.to_thread(pages.shutdown)


def main() -> None:
    """Parse the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m notifier.dev.inbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="the address on which the pages are served")
    parser.add_argument("--smtp-port", type=int, default=1025)
    parser.add_argument("--http-port", type=int, default=8025)
    parser.add_argument("--bounce-port", type=int, help="where the listener for bounces speaks LMTP, on loopback")
    parser.add_argument("--admin-url", default="", help="the address of the admin, with a final slash")
    options = parser.parse_args()
    port = options.bounce_port
    returns = Returns(Listener("127.0.0.1", port), options.admin_url) if port else None
    try:
        asyncio.run(serve(options.host, options.smtp_port, options.http_port, returns))
    except OSError as error:
        sys.exit(f"inbox: {error.strerror or error} (ports {options.smtp_port} and {options.http_port})")


if __name__ == "__main__":
    main()
