"""Object stores behind a slow front, nodes that keep their shares there, and the clients that an
operator could move the same bytes with."""

import os
import pathlib
import subprocess
import time
import urllib.parse
import urllib.request

from arms import machine, servers

SHARE_BYTES = 64 << 20
UPLOADS = 3
SUPPORT = machine.ROOT / "tests/support"


class SwiftStore:
    """A real Swift with its S3 API, and a front to it for each shape of line."""

    makes_containers = True

    def __init__(self, _build, _core):
        self.process = subprocess.Popen([SUPPORT / "swift_server.py"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.told = read_told(self.process)
        self.fronts = {}

    def front(self, shape, _kind):
        """HOST:PORT of a line with this shape (arguments of slow_front.py)."""
        there = urllib.parse.urlparse(self.told["S3_URL"]).netloc
        if not shape:
            return there
        if shape not in self.fronts:
            process = subprocess.Popen([SUPPORT / "slow_front.py", *shape, there],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self.fronts[shape] = process, process.stdout.readline().strip()
        return self.fronts[shape][1]

    def container(self, name):
        """For one node, which makes it."""
        return f"bench-{name}-{os.urandom(4).hex()}"

    def version(self):
        return "swift-proxy " + machine.output("dpkg-query", "-Wf", "${Version}", "swift-proxy")

    def stop(self):
        for process, _ in self.fronts.values():
            machine.stop(process)
        self.process.stdin.close()
        self.process.wait()


def read_told(process):
    """KEY=VALUE lines up to an empty one; what a test program sees in its environment."""
    told = {}
    for line in iter(process.stdout.readline, "\n"):
        if not line or line.startswith("SKIP"):
            raise RuntimeError(f"no object store: {line.strip()}")
        key, _, value = line.strip().partition("=")
        told[key.removeprefix("SHARESTORE_TEST_")] = value
    return told


class StoreNode(servers.Node):
    """This program over a container of its own. Parts are below the size of a share, as usual."""

    def __init__(self, name, work, build, store, shape):
        kind = name.split("-")[0]
        host = store.front(shape, kind)
        container = store.container(name)
        if kind == "s3":
            keys = [f"s3.url = http://{host}", f"s3.region = {store.told['S3_REGION']}",
                    f"s3.access_key_id = {store.told['S3_ACCESS_KEY_ID']}",
                    f"s3.bucket = {container}", "s3.addressing = path"]
            secrets = {"s3secret": store.told["S3_SECRET_ACCESS_KEY"]}
        else:
            keys = ["openstack.provider = swift", "openstack.auth = v1",
                    f"openstack.url = http://{host}/auth/v1.0",
                    f"openstack.username = {store.told['SWIFT_USER']}",
                    f"openstack.container = {container}"]
            secrets = {"openstack_api_key": store.told["SWIFT_KEY"]}
        super().__init__(name, work, build, f"cloud.{kind}", keys, secrets)
        self.store = store

    def version(self):
        return super().version() + ", " + self.store.version()

    def start(self, core, within=()):
        if not self.directory.exists():
            self.make_directory()
            if self.store.makes_containers:
                subprocess.run([self.program, "admin", "create-container", self.directory],
                               check=True, stdout=subprocess.DEVNULL)
        super().start(core, within)

    def restart(self, core):
        """Nothing is cached afterwards."""
        self.stop()
        self.start(core)


class Client:
    """An arm that is no server."""

    durability = "the store's"
    started_s = None

    def __init__(self, name, work):
        self.name = name
        self.directory = pathlib.Path(work) / name

    def start(self, core, within=()):
        pass

    def stop(self):
        pass

    def pids(self):
        return []


class Direct(Client):
    """The best of the clients that Debian has, without a node: `rclone` and `s3cmd` over the S3
    API, `curl` over Swift's own."""

    def __init__(self, name, work, _build, store, shape):
        super().__init__(name, work)
        machine.install("rclone", "s3cmd", "curl")
        self.files = self.directory / "files"
        self.store = store
        self.host = store.front(shape, "s3")
        self.bucket = f"bench-direct-{os.urandom(4).hex()}"

    def version(self):
        told = [machine.output("rclone", "version"), machine.output("s3cmd", "--version"),
                machine.output("curl", "--version")]
        return ", ".join(" ".join(text.splitlines()[0].split()[:3]) for text in told)

    def start(self, core, within=()):
        self.files.mkdir(parents=True, exist_ok=True)
        for number in range(UPLOADS):
            (self.files / str(number)).write_bytes(os.urandom(SHARE_BYTES))
        self.call(["s3cmd", *self.s3cmd(), "mb", f"s3://{self.bucket}"])
        asked = urllib.request.Request(f"http://{self.host}/auth/v1.0", headers={
            "X-Auth-User": self.store.told["SWIFT_USER"],
            "X-Auth-Key": self.store.told["SWIFT_KEY"]})
        with urllib.request.urlopen(asked) as answer:
            self.token = answer.headers["X-Auth-Token"]
        account = urllib.parse.urlparse(self.store.told["SWIFT_STORAGE_URL"]).path
        self.place = f"http://{self.host}{account}/{self.bucket}"

    def s3cmd(self):
        return ["--no-ssl", f"--host={self.host}", f"--host-bucket={self.host}", "--no-progress",
                f"--access_key={self.store.told['S3_ACCESS_KEY_ID']}",
                f"--secret_key={self.store.told['S3_SECRET_ACCESS_KEY']}"]

    def call(self, command):
        """Seconds that it took."""
        environment = {
            **os.environ, "RCLONE_CONFIG": "/dev/null", "RCLONE_S3_PROVIDER": "Other",
            "RCLONE_S3_ENDPOINT": f"http://{self.host}", "RCLONE_S3_FORCE_PATH_STYLE": "true",
            "RCLONE_S3_REGION": self.store.told["S3_REGION"],
            "RCLONE_S3_ACCESS_KEY_ID": self.store.told["S3_ACCESS_KEY_ID"],
            "RCLONE_S3_SECRET_ACCESS_KEY": self.store.told["S3_SECRET_ACCESS_KEY"]}
        environment.pop("AWS_CA_BUNDLE", None)  # rclone 1.60 refuses to start with it
        begun = time.monotonic()
        done = subprocess.run(list(map(str, command)), env=environment, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, check=False)
        if done.returncode:
            raise RuntimeError(f"{command[0]}: {done.stderr.decode().strip()}")
        return time.monotonic() - begun

    def upload(self):
        """Seconds of the faster one, the files one after the other."""
        name = os.urandom(4).hex()
        to = f"{self.bucket}/{name}"
        names = ",".join(str(number) for number in range(UPLOADS))
        return min(
            self.call(["curl", "-sS", "--fail", "-H", f"X-Auth-Token: {self.token}",
                       "-T", f"{self.files}/{{{names}}}", f"{self.place}/{name}-"]),
            self.call(["rclone", "copy", "--transfers=1", "--s3-no-check-bucket", self.files,
                       f":s3:{to}r"]),
            self.call(["s3cmd", *self.s3cmd(), "put", "--recursive", f"{self.files}/",
                       f"s3://{to}s/"]))

    def read(self):
        """Seconds of the faster one, for one large get."""
        if not getattr(self, "stored", ""):
            self.stored = f"{self.bucket}/whole"
            self.call(["s3cmd", *self.s3cmd(), "--multipart-chunk-size-mb=1024", "put",
                       self.files / "0", f"s3://{self.stored}"])
        return min(
            self.call(["curl", "-sS", "--fail", "-H", f"X-Auth-Token: {self.token}",
                       f"{self.place}/whole"]),
            self.call(["rclone", "cat", f":s3:{self.stored}"]),
            self.call(["s3cmd", *self.s3cmd(), "get", "--force", f"s3://{self.stored}",
                       self.directory / "got"]))


def moved(name, seconds, count, total_bytes):
    """What a run tells, for those that the load tool does not make."""
    return {"mode": name, "server_cpu_s": 0, "operations": count, "seconds": seconds, "errors": 0,
            "payload_bytes": total_bytes}
