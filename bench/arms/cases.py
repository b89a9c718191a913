"""What is measured: each case has arms, a figure by which they are judged, and what is aimed at."""

from dataclasses import dataclass, field

CPU_US = "server CPU per operation, us"
PER_CPU = "operations per server CPU-second"
MB_PER_CPU = "MB per server CPU-second"
RATE = "operations per second"
MB_RATE = "MB per second"
RSS_KB = "resident kB per connection"
MB = "resident MB"
MS = "milliseconds"

P50_MS = "median milliseconds of a read"
P99_5_MS = "99.5 % of reads take less milliseconds than"

LOWER_IS_BETTER = {CPU_US, RSS_KB, MB, MS, P50_MS, P99_5_MS}


def judge(figure, r):
    """The figure of one run; nothing where the run has not got it."""
    cpu, done, seconds = r["server_cpu_s"], r["operations"], r["seconds"]
    if figure in (CPU_US, PER_CPU, MB_PER_CPU) and not cpu:
        return None
    return {
        CPU_US: lambda: cpu / done * 1e6 if done else None,
        PER_CPU: lambda: done / cpu,
        MB_PER_CPU: lambda: r["payload_bytes"] / cpu / 1e6,
        RATE: lambda: done / seconds,
        MB_RATE: lambda: r["payload_bytes"] / seconds / 1e6,
        RSS_KB: lambda: r["grown_bytes"] / r["connected"] / 1e3 if r.get("connected") else None,
        MB: lambda: r["server_rss_bytes"] / 1e6,
        MS: lambda: r["started_ms"],
        P50_MS: lambda: r["latency_us"]["p50"] / 1e3,
        P99_5_MS: lambda: r["latency_us"]["p99_5"] / 1e3,
    }[figure]()


@dataclass
class Case:
    name: str
    title: str
    figure: str
    arms: list  # names of servers; the ratio of the others is to the last
    load: list  # arguments of the load tool
    good: float = None  # of the first arm to the last
    aim: float = None
    special: str = ""  # the function of runs.py that runs an arm; "" the load tool
    fresh: bool = False  # each run has a server without shares
    raw: dict = field(default_factory=dict)  # arms that are the raw loop: its arguments
    store: str = ""  # the object store of its nodes: "swift" or "paced"
    line: tuple = ()  # how slow it is: arguments of tests/support/slow_front.py or paced_store
    loads: dict = field(default_factory=dict)  # of arms whose load is another
    lines: dict = field(default_factory=dict)  # of arms whose store is another
    added: bool = False  # compared by what an arm has more than the last, not by its ratio

    @property
    def has_own_stores(self):
        """Each run: what others left would fill the disk, or memory."""
        return self.special == "cgroup" or self.store == "paced"

    def load_of(self, arm):
        return self.loads.get(arm, self.load)

    def line_of(self, arm):
        return self.lines.get(arm, self.line)


# The raw loop with more than the one core that each server has.
RAW_ALL_CORES = "raw-all-cores"


def make(seconds):
    timed = [f"--seconds={seconds}"]
    short = ["--piece=1MiB"]
    return [
        Case("version", "smallest request (version)", PER_CPU,
             ["memory", "nginx"], ["--mode=version", "--connections=32", *timed], 0.7, 1.1),
        Case("range", "100 kB ranged GET", MB_PER_CPU, ["disk", "memory", "nginx"],
             ["--mode=range", "--range=100000", "--size=1MiB", "--shares=64", "--connections=32",
              *timed], 1.0, 1.5),
        Case("get", "10 MB GET", MB_PER_CPU, ["disk", "memory", "openssl", "nginx"],
             ["--mode=get", "--size=10MB", "--shares=4", "--connections=8", *timed], 0.95, 1.1),
        Case("list", "list shares", PER_CPU, ["disk"],
             ["--mode=list", "--shares=64", "--size=1KiB", "--connections=32", *timed]),
        Case("handshake", "full TLS 1.3 handshake", CPU_US, ["memory", "openssl", "nginx"],
             ["--mode=handshake", "--connections=16", *timed], 1.1, 0.95),
        Case("resume", "resumed TLS 1.3 handshake", CPU_US, ["memory", "nginx"],
             ["--mode=resume", "--connections=16", *timed]),
        Case("upload-small", "durable 1 KiB uploads, POST + PATCH, 32 clients", RATE,
             ["disk", "memory", RAW_ALL_CORES, "raw"],
             ["--mode=upload", "--size=1KiB", "--connections=32", *timed], 1.0, 3.0,
             raw=dict.fromkeys(("raw", RAW_ALL_CORES),
                               ["--way=rename", "--threads=32", "--size=1096", "--keep", *timed])),
        Case("upload-large", "64 MiB uploads", MB_RATE, ["disk", "raw", "memory"],
             ["--mode=upload", "--size=64MiB", "--connections=4", "--operations=16", *short],
             0.7, 0.95, fresh=True,
             raw={"raw": ["--way=append", "--threads=4", "--size=67108864", *timed]}),
        Case("rtw", "durable 4 KiB read-test-write, 32 clients", RATE, ["disk", "memory"],
             ["--mode=read-test-write", "--size=4KiB", "--piece=4KiB", "--connections=32", *timed]),
        Case("lease", "lease renewals, 32 clients", RATE, ["disk", "memory"],
             ["--mode=lease", "--shares=1000", "--size=1KiB", "--connections=32", *timed]),
        Case("mixed", "60 % ranges, 20 % version, 10 % list, 10 % uploads", CPU_US,
             ["disk", "memory"],
             ["--mode=mixed", "--size=64KiB", "--range=16KiB", "--connections=32", *timed]),
        Case("idle", "10 000 idle TLS connections", RSS_KB, ["memory", "nginx"],
             ["--mode=idle", "--connections=10000", "--warmup=20", "--seconds=1"], 1.0, 0.6,
             special="idle", fresh=True),
        Case("rest", "memory at rest", MB, ["memory", "disk", "nginx"], [], special="rest",
             fresh=True),
        Case("start", "exec to listening", MS, ["memory", "disk", "nginx"], [], special="start",
             fresh=True),
        Case("workers", "100 kB ranged GET, two workers against one", MB_PER_CPU,
             ["two", "one"],
             ["--mode=range", "--range=100000", "--size=1MiB", "--shares=64", "--connections=32",
              "--threads=2", *timed], 0.85, 0.95, special="workers"),
        *uploads_in_cgroup(),
        *slow_store_cases(),
        *paced_store_cases(),
    ]


def uploads_in_cgroup():
    """Against eight at a time, each arm with a store of its own: together they would fill a disk."""
    within = ", 256 MiB cgroup, memory_limit=128MiB"
    upload = ["--mode=upload", "--piece=1MiB", "--longest=3500"]
    crowd = [*upload, "--size=64MiB", "--operations=500"]
    giants = [*upload, "--size=1GiB", "--operations=8", "--connections=8"]
    made = []
    for suffix, kind, store, where in (("", "disk", "", ""), ("-s3", "s3", "swift", " to S3")):
        eight = f"{kind}-eight"
        made += [
            Case("crowd" + suffix, "500 parallel 64 MiB uploads" + where + within, MB_RATE,
                 [kind, eight], [*crowd, "--connections=500"], 1.0, 1.0, special="cgroup",
                 fresh=True, store=store, loads={eight: [*crowd, "--connections=8"]}),
            Case("giants" + suffix, "8 parallel 1 GiB uploads" + where + within, MB_RATE, [kind],
                 giants, special="cgroup", fresh=True, store=store)]
    return made


def slow_store_cases():
    return [
        Case("store-upload", "64 MiB uploads to an object store over a line of 50 MB/s", MB_RATE,
             ["s3", "openstack", "direct"],
             ["--mode=upload", "--size=64MiB", "--connections=1", "--operations=3", "--warmup=0",
              "--piece=1MiB"], 0.9, 0.98, special="store_upload", fresh=True,
             store="swift", line=("--bytes-per-second=50e6",)),
        Case("store-read", "64 MiB read in pieces of 128 KiB, object store 20 ms away, cold",
             MB_RATE, ["s3", "openstack", "direct"],
             ["--mode=sequence", "--size=64MiB", "--shares=1", "--range=128KiB", "--connections=1",
              "--operations=1", "--warmup=0"], 0.6, 0.95, special="store_read", fresh=True,
             store="swift", line=("--delay-ms=10",)),
    ]


def paced_store_cases():
    """What a node adds to a store that takes 20 ms for each read. Places of shares are read in turn,
    more of them than fit into the cache of blocks (64 MiB), so none is there when it is read."""
    cold = ["--mode=scattered", "--range=100000", "--size=3MiB", "--shares=128", "--first-place=1",
            "--warmup=0"]
    one = ["--connections=1", "--operations=600"]
    first = [*cold, "--connections=1", "--operations=128"]
    delay = "--delay-ms=20"
    shape = {"fresh": True, "store": "paced", "line": (delay,)}
    return [
        Case("store-latency", "100 kB cold, store 20 ms away, shares read before", P50_MS,
             ["s3", "openstack", "direct"], [*cold, *one], 1.0, 0.3, special="store_cold",
             added=True, **shape),
        Case("store-latency-8", "the same, 8 clients", P50_MS, ["s3", "openstack", "direct"],
             [*cold, "--connections=8", "--operations=2000"], 1.0, 0.3, special="store_cold",
             added=True, **shape),
        Case("store-open", "first 100 kB of shares not read before, store 20 ms away", P50_MS,
             ["s3", "openstack", "s3-anywhere", "direct"], first, 1.0, 0.3,
             special="store_unopened", added=True, **shape,
             loads={arm: ["--first-place=0" if a == "--first-place=1" else a for a in first]
                    for arm in ("s3", "openstack")}),
        Case("store-cached", "100 kB in the cache, store 20 ms away", P50_MS,
             ["s3", "openstack", "disk"],
             ["--mode=range", "--range=100000", "--size=3MiB", "--shares=8", *one[:1],
              "--operations=10000", "--warmup=0"], 0.1, 0.1, special="store_cached", added=True,
             **shape),
        Case("store-stalls", "100 kB cold, 8 clients, 1 % of the store's reads stall for 5 s",
             P99_5_MS, ["s3", "s3-healthy"],
             [*cold, "--connections=8", "--operations=20000"], 2.0, 2.0, special="store_cold",
             lines={"s3-healthy": (delay,)},
             **{**shape, "line": (delay, "--stalled-percent=1", "--stall-ms=5000")}),
    ]


# Run only when they are named: minutes, gigabytes, a cgroup, or an object store.
HEAVY = {"crowd", "giants"}


def is_heavy(case):
    return case.name in HEAVY or bool(case.store)
