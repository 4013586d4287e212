"""An application that knows nothing of the balancer and ends at once when it is asked to: what is open then is lost.

usage: app.py ADDRESS PORT. It answers what the path says, and names each signal that it gets on its standard output.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time

ENDING = (signal.SIGTERM, signal.SIGQUIT, signal.SIGWINCH, signal.SIGINT)
OTHER = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT, signal.SIGRTMIN + 3)


class State:
    """What the paths change: the status of ``/``, whether it answers, and the head of the last request for it."""

    status = 200
    hangs = False
    head = b""
    looks = 0


def on_signal(number: int, _frame: object) -> None:
    os.write(1, f"got {number}\n".encode())
    if number in ENDING:
        os._exit(10)


def answer(status: int, body: bytes = b"", header: str = "") -> bytes:
    return f"HTTP/1.1 {status} Any\r\n{header}Content-Length: {len(body)}\r\n\r\n".encode() + body


def reply(client: socket.socket, path: str, head: bytes) -> None:
    first, _, rest = path[1:].partition("/")
    if path.startswith("/moved"):
        client.sendall(answer(302, header="Location: http://192.0.2.1/\r\n"))
    elif first == "slow":
        time.sleep(float(rest))
        client.sendall(answer(200, b"slow"))
    elif first == "stream":
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            client.sendall(b"tick\n")
            time.sleep(0.05)
    elif first == "status":
        State.status = int(rest)
        client.sendall(answer(200))
    elif first == "hang":
        State.hangs = True
        client.sendall(answer(200))
    elif first == "environment":
        client.sendall(answer(200, os.environb.get(rest.encode(), b"(none)")))
    elif first == "head":
        client.sendall(answer(200, State.head))
    elif first == "looks":
        client.sendall(answer(200, str(State.looks).encode()))
    else:
        State.head = head
        State.looks += 1
        while State.hangs:
            time.sleep(0.1)
        early = b"HTTP/1.1 103 Early Hints\r\n\r\n" if State.status == 299 else b""
        client.sendall(early + answer(State.status, b"here"))


def serve(client: socket.socket) -> None:
    try:
        kept = b""
        while True:
            while b"\r\n\r\n" not in kept:
                got = client.recv(4096)
                if not got:
                    return
                kept += got
            head, _, kept = kept.partition(b"\r\n\r\n")
            reply(client, head.split(b" ")[1].decode(), head)
            if b"Connection: close" in head:
                return
    except OSError:
        return
    finally:
        client.close()


def main() -> None:
    for number in (*ENDING, *OTHER):
        signal.signal(number, on_signal)
    listener = socket.create_server((sys.argv[1], int(sys.argv[2])), backlog=64)
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client,), daemon=True).start()


main()
