#!/usr/bin/env python3
"""A slow way to a server: TCP on loopback, passed on late, or at no more than so many bytes a second.

  slow_front.py [options] HOST:PORT   prints its own HOST:PORT, serves until its standard input ends
                                      or it gets SIGTERM

Late is latency: what was read is written so many milliseconds after, in each direction, and more is
read meanwhile. The rate is that of all connections together, each direction for itself.
"""
import argparse
import asyncio
import os
import signal
import sys

PIECE_BYTES = 64 * 1024
# What one direction of a connection holds back; behind that the sender waits.
QUEUED_PIECES = 64


class Rate:
    """Whoever passes bytes waits until they would have gone by."""

    def __init__(self, bytes_per_second):
        self.bytes_per_second = bytes_per_second
        self.free_at = 0.0

    async def passing(self, count):
        if not self.bytes_per_second:
            return
        now = asyncio.get_running_loop().time()
        self.free_at = max(self.free_at, now) + count / self.bytes_per_second
        await asyncio.sleep(self.free_at - now)  # real time: this is what the front is for


async def read_on(reader, queue, delay_s):
    loop = asyncio.get_running_loop()
    while True:
        try:
            piece = await reader.read(PIECE_BYTES)
        except ConnectionError:
            piece = b""
        await queue.put((loop.time() + delay_s, piece))
        if not piece:
            return


async def write_on(queue, writer, rate):
    loop = asyncio.get_running_loop()
    broken = False
    while True:
        due, piece = await queue.get()
        if not piece:
            break
        if broken:
            continue  # so that the reader comes to its end
        await asyncio.sleep(max(0.0, due - loop.time()))  # real time: as above
        await rate.passing(len(piece))
        try:
            writer.write(piece)
            await writer.drain()
        except ConnectionError:
            broken = True
    writer.close()


class Front:
    def __init__(self, options):
        self.host, _, port = options.server.rpartition(":")
        self.port = int(port)
        self.delay_s = options.delay_ms / 1000
        self.up, self.down = Rate(options.bytes_per_second), Rate(options.bytes_per_second)

    async def serve(self, reader, writer):
        try:
            there_reader, there_writer = await asyncio.open_connection(self.host, self.port)
        except OSError:
            writer.close()
            return
        up, down = asyncio.Queue(QUEUED_PIECES), asyncio.Queue(QUEUED_PIECES)
        await asyncio.gather(
            read_on(reader, up, self.delay_s), write_on(up, there_writer, self.up),
            read_on(there_reader, down, self.delay_s), write_on(down, writer, self.down),
            return_exceptions=True)


async def main(options):
    server = await asyncio.start_server(Front(options).serve, "127.0.0.1", options.port)
    print("127.0.0.1:%d" % server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    loop.add_reader(sys.stdin, lambda: os.read(0, 4096) or ended.set())
    await ended.wait()
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("server", metavar="HOST:PORT")
    parser.add_argument("--port", type=int, default=0, help="its own; 0: any")
    parser.add_argument("--delay-ms", type=float, default=0)
    parser.add_argument("--bytes-per-second", type=float, default=0, help="0: no limit")
    asyncio.run(main(parser.parse_args()))
