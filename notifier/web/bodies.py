"""Bodies without a length, which come in chunks: read as a whole before anything else."""

from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


def read_whole(app: "WSGIApplication", limit: int) -> "WSGIApplication":
    """Give `app` a body of chunks as one of known length, in bytes. More than `limit` is left to `app` to refuse.

    Broken chunks are found by the server, while it is asked for the body. Only outside of the application does its
    error get back to it: it answers 400 and hangs up. From within, the error would look like a fault of a page; and
    a page that needs no body would be answered before the server looks, and then once more.
    """

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        # Without the second, the server does not say where a body ends, and to read it would never return.
        if "HTTP_TRANSFER_ENCODING" in environ and environ.get("wsgi.input_terminated"):
            body = environ["wsgi.input"].read(limit + 1)
            environ["wsgi.input"] = BytesIO(body)
            environ["CONTENT_LENGTH"] = str(len(body))
            del environ["HTTP_TRANSFER_ENCODING"]
        return app(environ, start_response)

    return answer
