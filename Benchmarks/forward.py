#!/usr/bin/env python3
"""Passes TCP or Unix connections on, bytes unchanged, late if asked.

    forward.py [--delay-ms N] FROM TO [FROM TO]...

FROM and TO are `tcp:HOST:PORT` or `unix:PATH`. SIGUSR1 turns the delay of what goes from FROM to TO on, again off; it
begins off. A Unix socket reaches from one network namespace into another. Says `ready` once it listens.
"""

import asyncio
import contextlib
import signal
import sys

# What one direction of one connection may hold back; at it nothing more is read.
HELD_BYTES_MAX = 4 << 20


class Delay:
    seconds = 0.0


async def pump(reader, writer, delay):
    """Each chunk leaves when its time has come, in order."""
    loop = asyncio.get_running_loop()
    held = asyncio.Queue()
    room = asyncio.Condition()
    size = 0

    async def deliver():
        nonlocal size
        while (item := await held.get()) is not None:
            due, chunk = item
            await asyncio.sleep(max(0, due - loop.time()))
            writer.write(chunk)
            await writer.drain()
            async with room:
                size -= len(chunk)
                room.notify()

    async def take():
        nonlocal size
        last = 0.0
        while chunk := await reader.read(64 << 10):
            async with room:
                size += len(chunk)
                await room.wait_for(lambda: size <= HELD_BYTES_MAX)
            last = max(last, loop.time() + delay.seconds)
            held.put_nowait((last, chunk))
        held.put_nowait(None)

    try:
        await asyncio.gather(deliver(), take())
    except (ConnectionError, OSError):
        pass
    finally:
        writer.close()


async def connect(address):
    kind, _, rest = address.partition(":")
    if kind == "unix":
        return await asyncio.open_unix_connection(rest)
    host, _, port = rest.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def listen(address, serve):
    kind, _, rest = address.partition(":")
    if kind == "unix":
        return await asyncio.start_unix_server(serve, rest)
    host, _, port = rest.rpartition(":")
    return await asyncio.start_server(serve, host, int(port))


async def main(arguments):
    wanted = 0.0
    if arguments[:1] == ["--delay-ms"]:
        wanted = float(arguments[1]) / 1000
        arguments = arguments[2:]
    if not arguments or len(arguments) % 2:
        sys.exit(__doc__)
    delay, none = Delay(), Delay()

    def toggle():
        delay.seconds = wanted - delay.seconds

    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, toggle)
    servers = []
    for source, sink in zip(arguments[::2], arguments[1::2]):

        async def serve(reader, writer, sink=sink):
            try:
                there, back = await connect(sink)
            except (ConnectionError, OSError):
                writer.close()
                return
            with contextlib.suppress(ConnectionError, OSError):
                await asyncio.gather(pump(reader, back, delay), pump(there, writer, none))

        servers.append(await listen(source, serve))
    print("ready", flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


with contextlib.suppress(KeyboardInterrupt):
    asyncio.run(main(sys.argv[1:]))
