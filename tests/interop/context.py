"""What every case of an interop run works with: its node, its client, comparing."""
import json
import random
import urllib.parse

from nodes import Client, Failure, Node, SharestoreKind

FULL_SIZES = (10, 55, 56, 1000, 131072, 131073, 1000 * 1000, 10 * 1000 * 1000, 100 * 1000 * 1000)
RECORDED_SIZES = (10, 56, 1000, 131073)


class Skip(Exception):
    """A case that makes no sense in this run; its text says why."""


def require(condition, what):
    if not condition:
        raise Failure(what)


def same(got, wanted, what):
    if got != wanted:
        at = next((i for i, (a, b) in enumerate(zip(got, wanted)) if a != b),
                  min(len(got), len(wanted)))
        raise Failure(f"{what}: {len(got)} bytes read, {len(wanted)} expected, "
                      f"first difference at {at}")


class Context:
    """The run's node and client, and how it was asked to run."""

    def __init__(self, tahoe, kind, work, recorder=None, other_kind=None):
        self.tahoe = tahoe
        self.kind = kind
        self.other_kind = other_kind
        self.work = work
        self.recorder = recorder
        self.small = recorder is not None
        self.sizes = RECORDED_SIZES if self.small else FULL_SIZES
        self.node = None
        self.client = None
        self.peak_rss_kib = 0
        self.serial = 0

    def path(self, name):
        self.serial += 1
        return self.work / f"{self.serial:03d}-{name}"

    def ready(self):
        """The run's node and client, started unless they run."""
        if self.node is None:
            self.node = Node(self.kind, self.path("node"))
        if self.node.process is None or not self.node.process.alive():
            self.node.process = None
            self.node.start()
        if self.client is None:
            client = Client(self.tahoe, self.path("client"), self.client_entry(self.node))
            try:
                client.start()
            except Failure:
                client.stop()
                raise
            self.client = client
        self.client.wait_connected()

    def client_entry(self, node):
        entry = node.entry()
        return self.recorder.route(entry) if self.recorder else entry

    def remembered(self):
        if isinstance(self.kind, SharestoreKind) and self.kind.backend == "memory":
            raise Skip("the memory backend forgets")

    def on_disk(self):
        if isinstance(self.kind, SharestoreKind) and self.kind.backend != "disk":
            raise Skip(f"looks at share files, the backend is {self.kind.backend}")

    def bytes(self, size):
        # a fixed seed would make files of equal size equal, so that later uploads find them stored
        return random.randbytes(size)

    def file(self, data):
        path = self.path("file")
        path.write_bytes(data)
        return path

    def put(self, data, *arguments):
        return self.client.cap("put", *arguments, self.file(data))

    def get(self, cap):
        path = self.path("got")
        self.client.cli("get", cap, path)
        data = path.read_bytes()
        path.unlink()
        return data

    def expect(self, cap, data, what):
        same(self.get(cap), data, what)

    def check(self, cap, *arguments):
        return json.loads(self.client.cli("check", "--raw", *arguments, cap))

    def healthy(self, cap, what):
        """check --verify --repair finds nothing to do."""
        found = self.check(cap, "--verify", "--repair")
        require(found.get("repair-attempted") is False, f"{what}: repair attempted: {found}")
        results = found["pre-repair-results"]["results"]
        require(results["healthy"] and results.get("count-corrupt-shares", 0) == 0,
                f"{what}: not healthy: {results}")

    def stop(self):
        """Stops both; the first trouble is raised when both are down."""
        trouble = None
        for part in (self.client, self.node):
            try:
                if part is not None:
                    part.stop()
            except Failure as e:
                trouble = trouble or e
        if self.node is not None:
            self.peak_rss_kib = max(self.peak_rss_kib, self.node.peak_rss_kib)
        if trouble:
            raise trouble


def quoted(cap):
    return urllib.parse.quote(cap, safe="")
