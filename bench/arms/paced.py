"""A made-up object store that takes exactly as long as it is told to, and a client of it without a
node."""

import os
import socket
import subprocess
import threading
import time
import urllib.parse

from arms import machine, stores


class PacedStore:
    """One process is both kinds of store, so requests are counted together. Its one container is for
    one node."""

    makes_containers = False

    def __init__(self, build, core):
        self.program = build / "bin/paced-store"
        self.core = core
        self.process = None
        self.shape = None

    def front(self, shape, kind):
        """HOST:PORT of the store with this shape (arguments of paced-store)."""
        if self.shape != shape:
            self.stop()
            self.process = machine.start([self.program, *shape], self.core, stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True)
            self.told = stores.read_told(self.process)
            self.shape = shape
        url = self.told["S3_URL" if kind == "s3" else "SWIFT_AUTH_URL"]
        return urllib.parse.urlparse(url).netloc

    def container(self, _name):
        return self.told["CONTAINER"]

    def counts(self):
        """How many reads it was asked for, and how many of them stalled."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return {key: int(value) for key, value in
                (word.split("=") for word in self.process.stdout.readline().split())}

    def version(self):
        return "paced-store " + " ".join(self.shape)

    def stop(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait()
        self.process = None


class Reader(stores.Client):
    """The same reads without a node: plain HTTP on connections that are kept, as lean as Python is."""

    def __init__(self, name, work, _build, store, shape):
        super().__init__(name, work)
        host, _, port = store.front(shape, "s3").partition(":")
        self.address = host, int(port)
        self.path = f"/{store.told['CONTAINER']}/{store.told['DIRECT_KEY']}"

    def version(self):
        return "HTTP by hand"

    def read(self, core, count, connections, range_bytes):
        """What the load tool would tell of so many reads."""
        times = []
        each = count // connections
        threads = [threading.Thread(target=self.read_on_one, args=(core, each, range_bytes, times))
                   for _ in range(connections)]
        begun = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.monotonic() - begun
        if len(times) != each * connections:
            raise RuntimeError("reads without a node failed")
        times.sort()
        at = {name: times[min(int(part * len(times)), len(times) - 1)] / 1e3
              for name, part in (("p50", 0.5), ("p99", 0.99), ("p99_5", 0.995), ("max", 1))}
        return {"mode": "direct", "server_cpu_s": 0, "operations": len(times), "seconds": seconds,
                "errors": 0, "payload_bytes": len(times) * range_bytes, "latency_us": at}

    def read_on_one(self, core, count, range_bytes, times):
        os.sched_setaffinity(0, {core})  # of this thread
        asked = (f"GET {self.path} HTTP/1.1\r\nHost: store\r\n"
                 f"Range: bytes=0-{range_bytes - 1}\r\n\r\n").encode()
        buffer = memoryview(bytearray(range_bytes + 4096))
        with socket.create_connection(self.address) as there:
            there.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(count):
                begun = time.monotonic_ns()
                there.sendall(asked)
                got = there.recv_into(buffer)
                head = bytes(buffer[:got]).partition(b"\r\n\r\n")[0]
                if not head.startswith(b"HTTP/1.1 206"):
                    raise RuntimeError(head.decode())
                while got < len(head) + 4 + range_bytes:
                    more = there.recv_into(buffer[got:])
                    if not more:
                        raise RuntimeError("the store closed a connection")
                    got += more
                times.append(time.monotonic_ns() - begun)
