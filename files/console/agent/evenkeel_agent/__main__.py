"""``python -m evenkeel_agent SETTINGS``: run until SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

from aiohttp import web

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import EvenkeelError

from .agent import Agent
from .server import MAX_BODY, application
from .settings import Settings, read_settings

_SOCKET_MODE = 0o660
# Streams never end by themselves.
_SHUTDOWN_SECONDS = 1.0
# An action that runs is halted, and gets this time to finish what it has begun.
_HALT_SECONDS = 45.0


async def serve(settings: Settings) -> None:
    """Look, and answer at the socket, until SIGTERM.

    Raises:
        EvenkeelError: a file that it needs cannot be read.
        OSError: the socket cannot be made.
    """
    agent = Agent(settings)
    runner = web.AppRunner(
        application(agent),
        access_log=None,
        max_line_size=MAX_BODY,
        max_field_size=MAX_BODY,
        # A stream ends with its reader, also while nothing is to be sent.
        handler_cancellation=True,
        shutdown_timeout=_SHUTDOWN_SECONDS,
    )
    await runner.setup()
    settings.socket.unlink(missing_ok=True)
    await web.UnixSite(runner, settings.socket).start()
    os.chmod(settings.socket, _SOCKET_MODE)
    work = asyncio.create_task(agent.run())
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    waiting = asyncio.create_task(ended.wait())
    await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    work.cancel()
    await runner.cleanup()
    await asyncio.to_thread(agent.actions.end, _HALT_SECONDS)
    with contextlib.suppress(asyncio.CancelledError):
        await work


def main() -> int:
    """Entry point; 1 after a line that says what is wrong."""
    if len(sys.argv) != 2:
        print("evenkeel_agent: got no settings, want their file (fix: evenkeel_agent /etc/evenkeel/agent.json)")
        return 2
    try:
        asyncio.run(serve(read_settings(Path(sys.argv[1]))))
    except (EvenkeelError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
