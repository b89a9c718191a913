"""The servers that are compared. Each has a name, a NURL, process ids, and says what an answer of
its own means for stored bytes (`durability`)."""

import pathlib
import re
import shutil
import socket
import subprocess
import time

from arms import machine

SYNCED = "synced before the answer"
NONE = "nothing is stored"
VOLATILE = "memory only"
SUITE = "TLS_AES_256_GCM_SHA384"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_listening(port, process, longest_s=30):
    """Seconds until something listens; the port is asked every half millisecond."""
    begun = time.monotonic()
    while True:
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return time.monotonic() - begun
        if process.poll() is not None or time.monotonic() - begun > longest_s:
            raise RuntimeError(f"a server on port {port} did not start (exit {process.poll()})")
        time.sleep(0.0005)


class Server:
    durability = NONE

    def __init__(self, name, work, build):
        self.name = name
        self.directory = pathlib.Path(work) / name
        self.build = build
        self.process = None
        self.port = free_port()

    def spawn(self, command, core, **more):
        self.directory.mkdir(parents=True, exist_ok=True)
        log = open(self.directory / "log", "a")
        begun = time.monotonic()
        self.process = machine.start(command, core, stdout=log, stderr=log, **more)
        wait_listening(self.port, self.process)
        self.started_s = time.monotonic() - begun
        self.started_cpu_s = sum(machine.cpu_seconds(pid) for pid in self.pids())

    def pids(self):
        return [self.process.pid, *machine.children(self.process.pid)]

    def stop(self):
        if self.process:
            machine.stop(self.process)
        self.process = None

    def put_files(self, load, arguments):
        """Prepared shares as files, for servers that cannot be uploaded to."""


class Node(Server):
    """This program, on one of its backends."""

    def __init__(self, name, work, build, backend="disk", keys=(), secrets=()):
        super().__init__(name, work, build)
        self.backend = backend
        self.keys = list(keys)
        self.secrets = dict(secrets)
        self.durability = VOLATILE if backend == "memory" else SYNCED
        self.program = build / "bin/sharestore"

    def version(self):
        return machine.output(self.program, "--version").splitlines()[0]

    def make_directory(self):
        made = subprocess.run(
            [self.program, "create-node", f"--backend={self.backend}", f"--port=tcp:{self.port}",
             f"--location=tcp:127.0.0.1:{self.port}", self.directory],
            capture_output=True, text=True, check=False)
        if made.returncode:
            raise RuntimeError(made.stderr)
        config = self.directory / "tahoe.cfg"
        added = "\n".join([r"\1", *self.keys])
        config.write_text(re.sub(r"(?m)^(\[storage\])$", added, config.read_text()))
        for file, secret in self.secrets.items():
            (self.directory / "private" / file).write_text(secret + "\n")
            (self.directory / "private" / file).chmod(0o600)

    def start(self, core, within=()):
        if not self.directory.exists():
            self.make_directory()
        self.nurl = machine.output(self.program, "nurl", self.directory).splitlines()[-1]
        self.spawn([*within, self.program, "run", self.directory], core)

    def certificate(self):
        return self.directory / "private/node.pem"


class FileServer(Server):
    """A server of files with the key of `node`: the same bytes at the same paths."""

    def __init__(self, name, work, build, node):
        super().__init__(name, work, build)
        self.node = node
        self.files = self.directory / "files"

    def nurl_like_node(self):
        key = re.match(r"pb://([^@]+)@", self.node.nurl).group(1)
        return f"pb://{key}@127.0.0.1:{self.port}/files#v=1"

    def put_files(self, load, arguments):
        self.files.mkdir(parents=True, exist_ok=True)
        subprocess.run([load, self.nurl, "--write-files", self.files, *arguments], check=True)


class Nginx(FileServer):
    """One worker, no access log, buffers large enough for every answer."""

    CONFIG = """
worker_processes 1; worker_rlimit_nofile 65536; daemon off; master_process on; user root;
pid {d}/pid; error_log {d}/errors;
events {{ worker_connections 32768; use epoll; multi_accept on; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600; tcp_nodelay on;
  sendfile off; output_buffers 2 256k; server_tokens off; etag off;
  open_file_cache max=1000; open_file_cache_valid 1h;
  client_body_temp_path {d}/t1; proxy_temp_path {d}/t2; fastcgi_temp_path {d}/t3;
  uwsgi_temp_path {d}/t4; scgi_temp_path {d}/t5;
  server {{
    listen 127.0.0.1:{port} ssl backlog=8192;
    ssl_certificate {pem}; ssl_certificate_key {pem}; ssl_protocols TLSv1.3;
    ssl_session_cache off; ssl_session_tickets on; ssl_buffer_size 16k;
    root {files}; default_type application/octet-stream;
    location = /storage/v1/version {{ default_type application/cbor; return 200 "{version}"; }}
  }}
}}
"""
    # As long as a version answer of ours.
    VERSION = "http://allmydata.org/tahoe/protocols/storage/v1".ljust(208, ".")

    def version(self):
        return machine.output("/usr/sbin/nginx", "-v").replace("nginx version: ", "")

    def start(self, core, within=()):
        machine.install("nginx-light")
        self.nurl = self.nurl_like_node()
        self.files.mkdir(parents=True, exist_ok=True)
        config = self.directory / "nginx.conf"
        config.write_text(self.CONFIG.format(d=self.directory, port=self.port, files=self.files,
                                             pem=self.node.certificate(), version=self.VERSION))
        self.spawn([*within, "/usr/sbin/nginx", "-c", config], core)
        time.sleep(0.3)


class OpensslServer(FileServer):
    """`openssl s_server -WWW`: one connection at a time, HTTP/1.0, no keep-alive."""

    def version(self):
        return machine.output("openssl", "version").split("(")[0].strip() + " s_server"

    def start(self, core, within=()):
        self.nurl = self.nurl_like_node()
        self.files.mkdir(parents=True, exist_ok=True)
        self.spawn(["openssl", "s_server", "-accept", f"127.0.0.1:{self.port}", "-WWW", "-quiet",
                    "-tls1_3", "-cert", self.node.certificate(), "-key", self.node.certificate()],
                   core, cwd=self.files, stdin=subprocess.DEVNULL)


class Foreign:
    """Any other server of the protocol that runs already: NAME=NURL or NAME=PID=NURL."""

    durability = "not known"

    def __init__(self, text):
        self.name, _, rest = text.partition("=")
        pid, mark, nurl = rest.partition("=pb://")
        self.given = [int(pid)] if mark else []
        self.nurl = "pb://" + nurl if mark else rest
        self.started_s = None

    def version(self):
        return self.nurl.split("@")[-1].split("/")[0]

    def start(self, core, within=()):
        pass

    def stop(self):
        pass

    def pids(self):
        return self.given

    def put_files(self, load, arguments):
        pass


def clean(server):
    """Forgets what was stored."""
    shutil.rmtree(server.directory, ignore_errors=True)
