"""Debian's zaqar-server, with our Lua scripts, and with a WebSocket transport that starts on Python 3.11.

That transport opens its two ports by giving bare coroutines to asyncio.wait(), which Python 3.11 refuses:
here they are made tasks first. Nor does it look at the outcome, so that it would run on without a port
that is taken: here that ends it.
"""
import asyncio
import sys

import test_lua_scripts  # noqa: F401, must come before Zaqar reads a script

from zaqar.cmd import server

_wait = asyncio.wait


async def _wait_and_look(awaitables, **options):
    done, pending = await _wait([asyncio.ensure_future(each) for each in awaitables], **options)
    for task in done:
        task.result()
    return done, pending


asyncio.wait = _wait_and_look

if __name__ == '__main__':
    sys.exit(server.run())
