"""The processes of an interop run: a storage node of either kind and a stock client before it."""
import base64
import hashlib
import json
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 120
COMMAND_TIMEOUT_S = 600
CONNECT_TIMEOUT_S = 60
LOG_TAIL_LINES = 15

NURL = re.compile(r"pb://([A-Za-z0-9_-]{43})@([0-9a-zA-Z.:-]+):(\d+)/([a-z2-7]+)#v=1")


class Failure(Exception):
    """A case that did not go as it must."""


def tail(path):
    try:
        return "\n".join(Path(path).read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])
    except OSError:
        return ""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(condition, timeout_s, what):
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise Failure(f"{what}: not within {timeout_s} s")
        time.sleep(0.1)


def run_command(command, timeout_s=COMMAND_TIMEOUT_S, stdin=None, environment=None):
    """Runs a command to its end and returns what it printed; anything but exit 0 is a failure."""
    done = subprocess.run([str(c) for c in command], input=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=timeout_s, env=environment,
                          stdin=subprocess.DEVNULL if stdin is None else None)
    if done.returncode != 0:
        shown = " ".join(Path(str(c)).name if i == 0 else str(c) for i, c in enumerate(command))
        raise Failure(f"`{shown}` exit {done.returncode}: "
                      f"{done.stderr.decode(errors='replace').strip()[-600:]}")
    return done.stdout


def spki_hash(pem):
    """The NURL's name of a certificate: base64url of the SHA-256 of its public key."""
    public = run_command(["openssl", "x509", "-in", pem, "-noout", "-pubkey"])
    der = run_command(["openssl", "pkey", "-pubin", "-outform", "der"], stdin=public)
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")


class Process:
    """A long-running child with a log file."""

    def __init__(self, command, log):
        self.log = log
        self.output = open(log, "ab")
        self.child = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL,
                                      stdout=self.output, stderr=subprocess.STDOUT)

    def alive(self):
        return self.child.poll() is None

    def require_alive(self):
        if not self.alive():
            raise Failure(f"process ended with {self.child.returncode}; its log ends:\n"
                          + tail(self.log))

    def peak_rss_kib(self):
        try:
            status = Path(f"/proc/{self.child.pid}/status").read_text()
            return int(re.search(r"VmHWM:\s*(\d+)", status)[1])
        except (OSError, TypeError):
            return 0

    def stop(self, allowed):
        """SIGTERM and wait; allowed are the exit codes of a clean end."""
        if self.alive():
            self.child.send_signal(signal.SIGTERM)
        try:
            code = self.child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise Failure(f"did not end within {STOP_TIMEOUT_S} s of SIGTERM")
        finally:
            self.output.close()
        if code not in allowed:
            raise Failure(f"ended with {code} on SIGTERM; its log ends:\n" + tail(self.log))


class PythonKind:
    """The Python storage node."""
    name = "python"
    # a signal's default action after a clean end, as the process sees it and as a shell reports it
    clean_exits = (-signal.SIGTERM, 128 + signal.SIGTERM, 0)

    def __init__(self, tahoe):
        self.tahoe = tahoe

    def create(self, directory):
        port = free_port()
        run_command([self.tahoe, "create-node", "--webport=none", "--nickname=interop",
                     f"--port=tcp:{port}:interface=127.0.0.1",
                     f"--location=tcp:127.0.0.1:{port}", directory])
        with open(directory / "tahoe.cfg", "a") as f:
            f.write("\n[storage]\nreserved_space = 0\n")

    def command(self, directory):
        return [self.tahoe, "run", "--allow-stdin-close", directory]

    def started(self, directory):
        return all((directory / n).exists() for n in ("private/storage.furl", "permutation-seed"))

    def entry(self, directory):
        """servers.yaml for a node that has run once."""
        furl = (directory / "private/storage.furl").read_text().strip()
        location, swissnum = furl.split("@", 1)[1].rsplit("/", 1)
        where = location.split(",")[0].removeprefix("tcp:")
        key = (directory / "node.pubkey").read_text().strip().removeprefix("pub-")
        seed = (directory / "permutation-seed").read_text().strip()
        nurl = f"pb://{spki_hash(directory / 'private/node.pem')}@{where}/{swissnum}#v=1"
        return (f"storage:\n  {key}:\n    ann:\n      nickname: interop\n"
                f"      anonymous-storage-FURL: {furl}\n      permutation-seed-base32: {seed}\n"
                f"      anonymous-storage-NURLs:\n        - \"{nurl}\"\n")


class SharestoreKind:
    name = "sharestore"
    clean_exits = (0,)

    def __init__(self, binary, backend="disk", config_text="", private=()):
        self.binary = binary
        self.backend = backend
        self.config_text = config_text
        self.private = private

    def create(self, directory):
        run_command([self.binary, "create-node", f"--backend={self.backend}",
                     "--hostname=127.0.0.1", directory])
        if self.config_text:
            with open(directory / "tahoe.cfg", "a") as f:
                # two nodes on one prefix of a bucket refuse each other
                f.write("\n" + self.config_text.replace(
                    "@NODE@", f"{directory.parent.name}-{directory.name}"))
        for name, value in self.private:
            path = directory / "private" / name
            path.touch(mode=0o600)
            path.write_text(value)

    def command(self, directory):
        return [self.binary, "run", directory]

    def started(self, directory):
        return True

    def entry(self, directory):
        return run_command([self.binary, "servers-yaml", directory]).decode()


class Node:
    """One node directory, served by one kind of node at a time."""

    def __init__(self, kind, directory):
        self.kind = kind
        self.directory = directory
        self.log = directory.with_name(directory.name + ".log")
        self.process = None
        self.peak_rss_kib = 0
        kind.create(directory)

    def endpoint(self):
        match = NURL.search(self.entry())
        if not match:
            raise Failure("no NURL in: " + self.entry())
        return match[2], int(match[3])

    def entry(self):
        return self.kind.entry(self.directory)

    def start(self, kind=None):
        self.kind = kind or self.kind
        self.process = Process(self.kind.command(self.directory), self.log)

        def up():
            self.process.require_alive()
            if not self.kind.started(self.directory):
                return False
            try:
                socket.create_connection(self.endpoint(), 1).close()
                return True
            except OSError:
                return False
        wait_for(up, START_TIMEOUT_S, f"start of the {self.kind.name} node")

    def stop(self):
        if self.process is None:
            return
        process, self.process = self.process, None
        self.peak_rss_kib = max(self.peak_rss_kib, process.peak_rss_kib())
        process.stop(self.kind.clean_exits)

    def restart(self, kind=None):
        self.stop()
        self.start(kind)

    def shares(self, storage_index=None):
        """The share files on disk, of one storage index or all."""
        root = self.directory / "storage" / "shares"
        found = [p for p in root.glob("*/*/*") if p.is_file() and "incoming" not in p.parts]
        return sorted(p for p in found if storage_index in (None, p.parent.name))


class Client:
    """A stock client of one storage node: its commands and its web API."""

    def __init__(self, tahoe, directory, entry, total=1):
        self.tahoe = tahoe
        self.directory = directory
        self.log = directory.with_name(directory.name + ".log")
        self.port = free_port()
        self.process = None
        run_command([tahoe, "create-client", f"--webport=tcp:{self.port}:interface=127.0.0.1",
                     "--shares-needed=1", "--shares-happy=1", f"--shares-total={total}",
                     directory])
        with open(directory / "tahoe.cfg", "a") as f:
            f.write("\n[client]\nforce_foolscap = false\n")
        (directory / "private/servers.yaml").write_text(entry)

    def start(self):
        self.process = Process([self.tahoe, "run", "--allow-stdin-close", self.directory],
                               self.log)
        self.wait_connected()

    def stop(self):
        if self.process is not None:
            process, self.process = self.process, None
            process.stop(PythonKind.clean_exits)

    def connected(self, since=0):
        """Whether the client heard from a node at that time or later, and nothing worse after it."""
        self.process.require_alive()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/?t=json", timeout=10) as r:
                servers = json.load(r)["servers"]
        except (OSError, ValueError):
            return False
        return any(s["connection_status"].lower().startswith("connected")
                   and (s["last_received_data"] or 0) >= since for s in servers)

    def wait_connected(self):
        # The client asks every second: what it says of a node that was restarted meanwhile is old.
        now = time.time()
        wait_for(lambda: self.connected(now), CONNECT_TIMEOUT_S, "client's connection to the node")

    def wait_lost(self):
        wait_for(lambda: not self.connected(), CONNECT_TIMEOUT_S, "client's notice of the stop")

    def cli(self, *arguments):
        return run_command([self.tahoe, "-d", self.directory, *arguments])

    def cap(self, *arguments):
        return self.cli(*arguments).decode().strip()

    def web(self, method, path, body=None, headers=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=body,
                                         method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=COMMAND_TIMEOUT_S) as r:
                return r.read()
        except urllib.error.HTTPError as e:
            raise Failure(f"{method} {path[:60]}: {e.code} "
                          f"{e.read().decode(errors='replace')[:600]}")
        except OSError as e:
            self.process.require_alive()
            raise Failure(f"{method} {path[:60]}: {e}")
