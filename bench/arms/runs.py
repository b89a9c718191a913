"""One run of one arm of one case. Each function gives what the load tool's JSON has, and more."""

import dataclasses
import json
import os
import pathlib
import subprocess
import time

from arms import cases, machine, paced, servers, stores


class Runner:
    def __init__(self, build, work, server_core, load_core):
        self.load = build / "bin/sharestore-load"
        self.raw = build / "bin/raw-durable"
        self.build = build
        self.work = pathlib.Path(work)
        self.server_core = server_core
        self.load_core = load_core
        self.raw_runs = 0

    def run(self, case, arm, server):
        if arm in case.raw:
            return self.run_raw(arm, case.raw[arm])
        return getattr(self, "run_" + case.special if case.special else "run_load")(case, server)

    def run_load(self, case, server, core=None, **more):
        self.prepare(case, server)
        return self.call_load(case, server, self.load_core if core is None else core, **more)

    def prepare(self, case, server):
        """Shares that are there already are not stored again, files are only written once."""
        shape = [a for a in case.load_of(server.name) if a.split("=")[0] in ("--size", "--shares")]
        if isinstance(server, servers.FileServer):
            mark = server.files / ("done" + "".join(shape))
            if not mark.exists() and shape:
                server.put_files(self.load, shape + self.set_of(case))
                mark.touch()

    def set_of(self, case):
        # Cases whose shares differ in size must not share names.
        return [f"--set={sum(case.name.encode())}"]

    def call_load(self, case, server, core, longest_s=900, prepared=False):
        prepared = prepared or isinstance(server, servers.FileServer)
        prepared = ["--no-prepare"] if prepared else []
        pids = [f"--server-pid={pid}" for pid in server.pids()]
        command = [self.load, server.nurl, "--json", f"--cipher-suite={servers.SUITE}",
                   *self.set_of(case), *prepared, *pids, *case.load_of(server.name)]
        bound = [] if core == "all" else ["taskset", "-c", str(core)]
        done = subprocess.run([*bound, *map(str, command)], capture_output=True, text=True,
                              timeout=longest_s, check=False)
        if not done.stdout.startswith("{"):
            raise RuntimeError(f"{case.name}, {server.name}: {done.stderr.strip()}")
        result = json.loads(done.stdout.splitlines()[0])
        if done.returncode and not result["errors"]:
            result["errors"], result["first_error"] = 1, done.stderr.strip()
        return result

    def run_raw(self, arm, arguments):
        self.raw_runs += 1
        directory = self.work / f"raw-{self.raw_runs}"
        # One core as a server has; by its other name all of them.
        bound = [] if arm == cases.RAW_ALL_CORES else ["taskset", "-c", str(self.server_core)]
        done = subprocess.run([*bound, self.raw, directory, *arguments], capture_output=True,
                              text=True, check=True)
        return json.loads(done.stdout)

    def run_idle(self, case, server):
        time.sleep(1)
        before = resident(server)
        result = self.call_load(case, server, self.load_core)
        result["grown_bytes"] = result["server_rss_bytes"] - before["rss"]
        return result

    def run_rest(self, case, server):
        time.sleep(7)
        now = resident(server)
        return {"mode": "rest", "server_cpu_s": 0, "operations": 0, "seconds": 7, "errors": 0,
                "server_rss_bytes": now["rss"], "server_anonymous_bytes": now["anonymous"]}

    def run_start(self, case, server):
        return {"mode": "start", "server_cpu_s": 0, "operations": 0, "seconds": 0, "errors": 0,
                "started_ms": server.started_s * 1e3,
                "started_cpu_ms": server.started_cpu_s * 1e3}

    def run_workers(self, case, server):
        return self.run_load(case, server, core="all")

    def run_store_upload(self, case, server):
        if isinstance(server, stores.Direct):
            return stores.moved(case.name, server.upload(), stores.UPLOADS,
                                stores.UPLOADS * stores.SHARE_BYTES)
        return self.call_load(case, server, self.load_core)

    def run_store_read(self, case, server):
        if isinstance(server, stores.Direct):
            return stores.moved(case.name, server.read(), 1, stores.SHARE_BYTES)
        self.store_shares(case, server)
        return self.call_load(case, server, self.load_core, prepared=True)

    def store_shares(self, case, server):
        """The shares of the case, of which nothing is cached afterwards."""
        self.call_load(altered(case, server, "--mode=list", "--operations=1", "--connections=1"),
                       server, self.load_core)
        server.restart(self.server_core)

    def run_store_unopened(self, case, server):
        if isinstance(server, paced.Reader):
            return self.read_directly(case, server)
        self.store_shares(case, server)
        return self.call_counted(case, server)

    def run_store_cold(self, case, server):
        if isinstance(server, paced.Reader):
            return self.read_directly(case, server)
        self.store_shares(case, server)
        shares = int(option(case, server, "--shares"))
        opening = altered(case, server, "--range=1", "--first-place=0", f"--operations={shares}")
        self.call_load(opening, server, self.load_core, prepared=True)
        return self.call_counted(case, server)

    def run_store_cached(self, case, server):
        # Long enough for every block to be read, one answer of the store after the other.
        warming = altered(case, server, "--operations=1000")
        self.call_load(warming, server, self.load_core)
        return self.call_counted(case, server)

    def call_counted(self, case, server):
        """With the reads that the store was asked for meanwhile."""
        store = getattr(server, "store", None)
        before = store.counts() if store else {}
        result = self.call_load(case, server, self.load_core, prepared=True)
        if store:
            result["store"] = {key: count - before[key] for key, count in store.counts().items()}
        return result

    def read_directly(self, case, server):
        return server.read(self.load_core, *(int(option(case, server, name)) for name in
                                             ("--operations", "--connections", "--range")))

    def run_cgroup(self, case, server):
        result = self.call_load(case, server, self.load_core, longest_s=4500)
        result["cgroup_peak_bytes"] = server.cgroup.peak()
        result["cgroup_failures"] = server.cgroup.failures()
        return result


def option(case, server, name):
    return next(a.split("=")[1] for a in case.load_of(server.name) if a.split("=")[0] == name)


def altered(case, server, *arguments):
    """The case with these arguments of its load in place of what it has."""
    names = {a.split("=")[0] for a in arguments}
    kept = [a for a in case.load_of(server.name) if a.split("=")[0] not in names]
    return dataclasses.replace(case, load=[*kept, *arguments], loads={})


def resident(server):
    rss = anonymous = 0
    for pid in server.pids():
        for line in machine.read(f"/proc/{pid}/status").splitlines():
            if line.startswith("VmRSS:"):
                rss += int(line.split()[1]) * 1024
            if line.startswith("RssAnon:"):
                anonymous += int(line.split()[1]) * 1024
    return {"rss": rss, "anonymous": anonymous}


class MemoryCgroup:
    """A memory cgroup, of either version, that a server is started in."""

    def __init__(self, limit_bytes):
        self.v2 = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
        base = pathlib.Path("/sys/fs/cgroup" if self.v2 else "/sys/fs/cgroup/memory")
        self.path = base / f"sharestore-bench-{os.getpid()}"
        self.path.mkdir()
        limit = self.path / ("memory.max" if self.v2 else "memory.limit_in_bytes")
        limit.write_text(str(limit_bytes))

    def within(self):
        return ["sh", "-c", f'echo $$ > {self.path}/cgroup.procs && exec "$@"', "sh"]

    def peak(self):
        name = "memory.peak" if self.v2 else "memory.max_usage_in_bytes"
        return int(machine.read(self.path / name) or 0)

    def failures(self):
        """Times that something was killed for memory."""
        file = self.path / ("memory.events" if self.v2 else "memory.oom_control")
        counts = dict(line.split() for line in machine.read(file).splitlines())
        return int(counts.get("oom_kill", 0))

    def remove(self):
        for _ in range(50):
            try:
                return self.path.rmdir()
            except OSError:
                time.sleep(0.1)
