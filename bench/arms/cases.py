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

LOWER_IS_BETTER = {CPU_US, RSS_KB, MB, MS}


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
    line: tuple = ()  # to the object store: arguments of tests/support/slow_front.py


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
        Case("crowd", "500 parallel 64 MiB uploads, 256 MiB cgroup, memory_limit=128MiB", MB_RATE,
             ["disk"], ["--mode=upload", "--size=64MiB", "--connections=500", "--operations=500",
                        *short], special="cgroup", fresh=True),
        Case("giants", "8 parallel 1 GiB uploads, 256 MiB cgroup, memory_limit=128MiB", MB_RATE,
             ["disk"], ["--mode=upload", "--size=1GiB", "--connections=8", "--operations=8",
                        *short], special="cgroup", fresh=True),
        Case("store-upload", "64 MiB uploads to an object store over a line of 50 MB/s", MB_RATE,
             ["s3", "openstack", "direct"],
             ["--mode=upload", "--size=64MiB", "--connections=1", "--operations=3", "--warmup=0",
              *short], 0.9, 0.98, special="store_upload", fresh=True,
             line=("--bytes-per-second=50e6",)),
        Case("store-read", "64 MiB read in pieces of 128 KiB, object store 20 ms away, cold",
             MB_RATE, ["s3", "openstack", "direct"],
             ["--mode=sequence", "--size=64MiB", "--shares=1", "--range=128KiB", "--connections=1",
              "--operations=1", "--warmup=0"], 0.6, 0.95, special="store_read", fresh=True,
             line=("--delay-ms=10",)),
    ]


# Run only when they are named: minutes, gigabytes, a cgroup, or an object store.
HEAVY = {"crowd", "giants", "store-upload", "store-read"}
