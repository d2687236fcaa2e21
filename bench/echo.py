"""The yardstick: signed echoes over the HTTP stack that Penstock itself uses.

Each request is read, its signature verified, its JSON parsed, and the same JSON answered. Whatever
the service does beyond that shows in the ratio.

    python -m bench.echo HOST PORT < key id and secret, one line each
"""

import sys
from typing import cast

import msgspec
import uvloop

from penstock.clock import system_clock
from penstock.wire.app import Application, Message, Receive, Send
from penstock.wire.serve import listen, make_server
from penstock.wire.sigv4 import check, header_map, read_claim


class Echo:
    """The ASGI callable."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def release_polls(self) -> None:
        """There are none."""

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["path"] == "/health":
            await _answer(send, b"ok")
            return
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = header_map(scope["headers"])
        claim = read_claim(headers, system_clock())
        check(claim, self._secret, "POST", scope["raw_path"], b"", headers, body)
        await _answer(send, msgspec.json.encode(msgspec.json.decode(body)))


async def _answer(send: Send, body: bytes) -> None:
    headers = [
        (b"content-type", b"application/x-amz-json-1.1"),
        (b"content-length", b"%d" % len(body)),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    """Serve until a signal comes."""
    _key_id, secret = sys.stdin.read().split()
    # The stack asks of an application only that it can be called and can release its polls.
    server = make_server(cast(Application, Echo(secret)))
    uvloop.run(server.serve(sockets=[listen(sys.argv[1], int(sys.argv[2]))]))


if __name__ == "__main__":
    main()
