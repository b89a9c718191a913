#!/usr/bin/env python3
"""A real OpenStack Swift on loopback for the length of a test.

  swift_server.py [options] -- COMMAND...   runs COMMAND against it; exits as COMMAND did
  swift_server.py [options]                 prints KEY=VALUE lines, then an empty one; serves until
                                            its standard input ends or it gets SIGTERM

COMMAND sees the same KEY=VALUE pairs in its environment:
  SHARESTORE_TEST_SWIFT_AUTH_URL, _USER, _KEY, _STORAGE_URL   v1 authentication (tempauth)
  SHARESTORE_TEST_SWIFT_MEMCACHED                             host:port, where tempauth keeps tokens
  SHARESTORE_TEST_SWIFT_TOKEN_LIFE_S
  SHARESTORE_TEST_SWIFT_NAMES                                 --names: a container's listing has so
                                                              many, under names/
  SHARESTORE_TEST_S3_URL, _REGION, _ACCESS_KEY_ID, _SECRET_ACCESS_KEY   the same store as S3, V2+V4

One replica in a temporary directory, account, container, object and proxy servers and memcached as
plain processes on free ports, from Debian's packages. Containers made through the S3 API appear in
the same account. Exit 77 says on the last line why Swift cannot run here.
"""
import argparse
import ctypes
import getpass
import glob
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

SKIPPED = 77
START_SECONDS = 60
STOP_SECONDS = 10
PROGRAMS = ["swift-account-server", "swift-container-server", "swift-object-server",
            "swift-proxy-server", "memcached"]
# What a test may rely on; s3api stands before tempauth, which then also knows S3 signatures.
PIPELINE = ("catch_errors gatekeeper healthcheck proxy-logging cache listing_formats bulk tempurl "
            "ratelimit s3api tempauth copy container-quotas account-quotas slo dlo "
            "versioned_writes symlink proxy-logging proxy-server")
USER, KEY, ACCOUNT = "test:tester", "testing", "AUTH_test"

SWIFT_PYTHON = "/usr/bin/python3"
# Arguments: a directory, and KIND=PORT of each ring. One process: each start of Swift's own
# swift-ring-builder, of which this would take nine, costs most of a second.
MAKE_RINGS = """
import sys
from swift.common.ring import RingBuilder
for ring in sys.argv[2:]:
    kind, port = ring.split("=")
    builder = RingBuilder(4, 1, 0)
    builder.add_dev({"region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(port),
                     "device": "d1", "weight": 1.0})
    builder.rebalance()
    builder.get_ring().save("%s/%s.ring.gz" % (sys.argv[1], kind))
"""
# Arguments: a container's database and how many names its listing is to have.
LIST_NAMES = """
import sys, time
from swift.container.backend import ContainerBroker
made = "%.5f" % time.time()
ContainerBroker(sys.argv[1]).merge_items([
    {"name": "names/%07d" % i, "created_at": made, "size": 0, "content_type": "text/plain",
     "etag": "d41d8cd98f00b204e9800998ecf8427e", "deleted": 0, "storage_policy_index": 0}
    for i in range(int(sys.argv[2]))])
"""


class Skip(Exception):
    """Why Swift cannot run here."""


def free_ports(count):
    """Ports that are free now; all are held until all are known, so that they differ."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


def writable_with_attributes():
    """A new directory on a file system that keeps user.* attributes, where Swift puts its own."""
    tried = []
    for parent in (os.environ.get("TMPDIR") or "/tmp", os.environ.get("SHARESTORE_BUILD_DIR"),
                   "/var/tmp"):
        if not parent or not os.path.isdir(parent):
            continue
        try:
            directory = tempfile.mkdtemp(prefix="sharestore-swift-", dir=parent)
        except OSError as error:
            tried.append("%s: %s" % (parent, error.strerror))
            continue
        try:
            os.setxattr(directory, "user.test", b"x")
            os.removexattr(directory, "user.test")
            return directory
        except OSError as error:
            tried.append("%s: %s" % (parent, error.strerror))
            os.rmdir(directory)
    raise Skip("no directory with user.* extended attributes (%s); set TMPDIR to one"
               % "; ".join(tried))


def end_with_parent():
    """A daemon does not outlive this script, however it ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Swift:
    def __init__(self, options):
        self.options = options
        self.directory = None
        self.daemons = []  # (name, process)
        self.shifted = {}
        self.proxy, self.object, self.container, self.account, self.memcached = free_ports(5)

    # -- configuration

    def write(self, name, *sections):
        with open(os.path.join(self.directory, "etc", name), "w") as out:
            for title, values in sections:
                out.write("[%s]\n" % title)
                out.writelines("%s = %s\n" % pair for pair in values.items())

    def default(self, port):
        return ("DEFAULT", {
            "bind_ip": "127.0.0.1", "bind_port": port, "user": getpass.getuser(),
            "swift_dir": os.path.join(self.directory, "etc"),
            "devices": os.path.join(self.directory, "devices"), "mount_check": "false",
            "workers": 0, "log_level": "INFO", "fallocate_reserve": 0})

    def configure(self):
        etc = os.path.join(self.directory, "etc")
        for folder in (etc, os.path.join(self.directory, "devices", "d1"),
                       os.path.join(self.directory, "cache")):
            os.makedirs(folder)
        limits = {"max_file_size": self.options.max_file_size}
        if self.options.listing_limit:
            limits["container_listing_limit"] = self.options.listing_limit
        self.write("swift.conf",
                   ("swift-hash", {"swift_hash_path_suffix": "t", "swift_hash_path_prefix": "t"}),
                   ("storage-policy:0", {"name": "Policy-0", "default": "yes"}),
                   ("swift-constraints", limits))
        for kind, port in (("object", self.object), ("container", self.container),
                           ("account", self.account)):
            self.write(kind + "-server.conf", self.default(port),
                       ("pipeline:main", {"pipeline": "recon %s-server" % kind}),
                       ("app:%s-server" % kind, {"use": "egg:swift#" + kind}),
                       ("filter:recon", {"use": "egg:swift#recon", "recon_cache_path":
                                         os.path.join(self.directory, "cache")}))
        self.swift_python(MAKE_RINGS, etc, *("%s=%d" % ring for ring in (
            ("object", self.object), ("container", self.container), ("account", self.account))))
        self.write("proxy-server.conf", self.default(self.proxy),
                   ("pipeline:main", {"pipeline": PIPELINE}), *self.filters())

    @staticmethod
    def swift_python(program, *arguments):
        """Runs by the interpreter that Debian's Swift is installed for; ours may be another."""
        done = subprocess.run([SWIFT_PYTHON, "-c", program, *arguments], capture_output=True,
                              text=True)
        if done.returncode:
            raise RuntimeError(done.stderr)

    def filters(self):
        yield "app:proxy-server", {"use": "egg:swift#proxy", "account_autocreate": "true",
                                   "allow_account_management": "true"}
        more = {
            "cache": {"memcache_servers": "127.0.0.1:%d" % self.memcached},
            "tempauth": {"token_life": self.options.token_life,
                         "user_test_tester": KEY + " .admin",
                         "user_other_user": "otherpw .admin"},
            "s3api": {"location": "us-east-1", "allow_multipart_uploads": "true",
                      "auth_pipeline_check": "no", "s3_acl": "false",
                      "storage_domain": "s3.localhost"},
            # Reads of more than ten segments below 1 MiB would be slowed to one segment a second;
            # a node's have 5 MiB at least, a test's have not.
            "slo": {"rate_limit_under_size": 0},
            "versioned-writes": {"allow_versioned_writes": "true",
                                 "allow_object_versioning": "true"},
        }
        entry = {"cache": "memcache"}
        for name in sorted(set(PIPELINE.split()) - {"proxy-server"}):
            values = {"use": "egg:swift#" + entry.get(name, name.replace("-", "_"))}
            values.update(more.get(name.replace("_", "-"), {}))
            yield "filter:" + name, values

    def list_names(self, count):
        """Fills the listing of the container `names`, as its server keeps it; no objects behind."""
        base = "http://127.0.0.1:%d" % self.proxy
        asked = urllib.request.Request(base + "/auth/v1.0", headers={
            "X-Auth-User": USER, "X-Auth-Key": KEY})
        with urllib.request.urlopen(asked) as answer:
            token, url = answer.headers["X-Auth-Token"], answer.headers["X-Storage-Url"]
        urllib.request.urlopen(urllib.request.Request(
            url + "/names", headers={"X-Auth-Token": token}, method="PUT")).close()
        (path,) = glob.glob(os.path.join(self.directory, "devices/d1/containers/*/*/*/*.db"))
        self.swift_python(LIST_NAMES, path, str(count))

    def shift_clock(self):
        found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
        if not found:
            raise Skip("libfaketime: not installed (scripts/packages.test names the packages)")
        # Swift's only: the command beside it has the machine's clock.
        self.shifted = {"LD_PRELOAD": found[0], "FAKETIME": self.options.clock,
                        "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    # -- processes

    def spawn(self, name, *command):
        log = open(os.path.join(self.directory, name + ".log"), "ab")
        with log:
            self.daemons.append((name, subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=dict(os.environ, **self.shifted), start_new_session=True, preexec_fn=end_with_parent)))

    def start(self):
        os.environ["PATH"] += ":/usr/sbin:/sbin"
        missing = [p for p in PROGRAMS if not shutil.which(p)]
        if self.options.clock:
            self.shift_clock()
        if missing:
            raise Skip("%s: not installed (scripts/packages.test names the packages)"
                       % ", ".join(missing))
        self.directory = writable_with_attributes()
        self.configure()
        self.spawn("memcached", "memcached", "-u", getpass.getuser(), "-l", "127.0.0.1",
                   "-p", str(self.memcached), "-U", "0", "-m", "64")
        for kind in ("account", "container", "object", "proxy"):
            self.spawn(kind, "swift-%s-server" % kind,
                       os.path.join(self.directory, "etc", kind + "-server.conf"), "-v")
        for port in (self.account, self.container, self.object):
            self.wait_for("http://127.0.0.1:%d/recon/version" % port)
        self.wait_for("http://127.0.0.1:%d/healthcheck" % self.proxy)
        if self.options.names:
            self.list_names(self.options.names)

    def wait_for(self, url):
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                with urllib.request.urlopen(url, timeout=2):
                    return
            except (urllib.error.URLError, OSError) as error:
                dead = [name for name, process in self.daemons if process.poll() is not None]
                if dead or time.monotonic() > end:
                    raise RuntimeError("%s does not answer (%s)%s\n%s" % (
                        url, error, ", ended: " + ", ".join(dead) if dead else "", self.logs()))
            time.sleep(0.05)  # real time: other processes are starting

    def logs(self):
        text = []
        for name, _ in self.daemons:
            with open(os.path.join(self.directory, name + ".log"), errors="replace") as log:
                text += ["--- %s.log\n" % name] + log.readlines()[-30:]
        return "".join(text)

    def stop(self):
        for _, process in self.daemons:
            self.signal(process, signal.SIGTERM)
        end = time.monotonic() + STOP_SECONDS
        for _, process in self.daemons:
            try:
                process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                pass
            self.signal(process, signal.SIGKILL)  # its children, too
            process.wait()
        if self.directory and not self.options.keep:
            shutil.rmtree(self.directory, ignore_errors=True)

    @staticmethod
    def signal(process, number):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            pass

    def answers(self):
        base = "http://127.0.0.1:%d" % self.proxy
        return {
            "SHARESTORE_TEST_SWIFT_AUTH_URL": base + "/auth/v1.0",
            "SHARESTORE_TEST_SWIFT_USER": USER,
            "SHARESTORE_TEST_SWIFT_KEY": KEY,
            "SHARESTORE_TEST_SWIFT_STORAGE_URL": base + "/v1/" + ACCOUNT,
            "SHARESTORE_TEST_SWIFT_MEMCACHED": "127.0.0.1:%d" % self.memcached,
            "SHARESTORE_TEST_SWIFT_TOKEN_LIFE_S": str(self.options.token_life),
            "SHARESTORE_TEST_SWIFT_NAMES": str(self.options.names),
            "SHARESTORE_TEST_S3_URL": base,
            "SHARESTORE_TEST_S3_REGION": "us-east-1",
            "SHARESTORE_TEST_S3_ACCESS_KEY_ID": USER,
            "SHARESTORE_TEST_S3_SECRET_ACCESS_KEY": KEY,
        }


class Stopped(Exception):
    """SIGTERM or SIGINT."""


def serve(swift):
    for pair in swift.answers().items():
        print("%s=%s" % pair)
    print(flush=True)
    while sys.stdin.buffer.read1(4096):
        pass


def run(swift, command):
    environment = dict(os.environ, **swift.answers())
    child = subprocess.Popen(command, env=environment, preexec_fn=end_with_parent)
    try:
        status = child.wait()
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()
    if status:
        print(swift.logs() if swift.options.logs else
              "(--logs shows the last lines of Swift's logs)", file=sys.stderr)
    return status if status >= 0 else 128 - status


def main():
    words, command = sys.argv[1:], []
    if "--" in words:
        at = words.index("--")
        words, command = words[:at], words[at + 1:]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--token-life", type=int, default=86400, metavar="SECONDS",
                        help="after which tempauth's tokens end")
    parser.add_argument("--listing-limit", type=int, metavar="COUNT",
                        help="names in a listing (Swift's own limit is 10000)")
    parser.add_argument("--names", type=int, default=0, metavar="COUNT",
                        help="a container `names` whose listing has so many")
    parser.add_argument("--max-file-size", type=int, default=5368709122, metavar="BYTES",
                        help="largest object that is not a manifest")
    parser.add_argument("--clock", metavar="OFFSET", type=lambda text: text.strip(),
                        help="of Swift against the machine's, as libfaketime takes it: '+20m'")
    parser.add_argument("--logs", action="store_true", help="show logs when COMMAND fails")
    parser.add_argument("--keep", action="store_true", help="leave the directory")
    swift = Swift(parser.parse_args(words))

    def stop(*_):
        raise Stopped
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        swift.start()
        if command:
            return run(swift, command)
        serve(swift)
        return 0
    except Skip as reason:
        print("SKIP: no real Swift: %s" % reason, flush=True)
        return SKIPPED
    except Stopped:
        return 0 if not command else 143
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        swift.stop()


if __name__ == "__main__":
    sys.exit(main())
