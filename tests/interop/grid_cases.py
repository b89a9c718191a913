"""Cases in which the client knows the node from an introducer alone, and from Grid Managers."""
import base64
import json
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path

from context import Context, Skip, require, same
from nodes import (CONNECT_TIMEOUT_S, Client, Failure, Node, Process, PythonKind, SharestoreKind,
                   free_port, run_command, wait_for)

# The first bytes of an Ed25519 private key as PKCS#8, whose last 32 are the key's seed.
PKCS8_ED25519 = bytes.fromhex("302e020100300506032b657004220420")


class Introducer:
    """The stock introducer."""

    def __init__(self, tahoe, directory):
        self.tahoe = tahoe
        self.directory = directory
        self.process = None
        port = free_port()
        run_command([tahoe, "create-introducer", f"--port=tcp:{port}:interface=127.0.0.1",
                     f"--location=tcp:127.0.0.1:{port}", directory])

    def start(self):
        self.process = Process([self.tahoe, "run", "--allow-stdin-close", self.directory],
                               self.directory.with_name(self.directory.name + ".log"))
        furl = self.directory / "private/introducer.furl"
        wait_for(furl.exists, CONNECT_TIMEOUT_S, "introducer's FURL")
        return furl.read_text().strip()

    def stop(self):
        if self.process is not None:
            process, self.process = self.process, None
            process.stop(PythonKind.clean_exits)


class Grid:
    """An introducer, our node that announces itself there, and a client that knows the introducer."""

    def __init__(self, c, client_config=""):
        if not isinstance(c.kind, SharestoreKind):
            raise Skip("needs sharestore as the server")
        if c.small:
            raise Skip("the recorder stands between client and node")
        self.run = Context(c.tahoe, c.kind, c.path("grid"))
        self.run.work.mkdir()
        self.introducer = Introducer(c.tahoe, self.run.path("introducer"))
        try:
            furl = self.introducer.start()
            self.run.node = Node(c.kind, self.run.path("node"))
            (self.run.node.directory / "private/introducers.yaml").write_text(
                f"introducers:\n  ours:\n    furl: {furl}\n")
            self.run.client = Client(c.tahoe, self.run.path("client"), "storage: {}\n")
            (self.run.client.directory / "private/introducers.yaml").write_text(
                f"introducers:\n  ours:\n    furl: {furl}\n")
            with open(self.run.client.directory / "tahoe.cfg", "a") as f:
                f.write(client_config)
            self.run.node.start()
            self.run.client.start()
        except BaseException:
            self.stop()
            raise

    def stop(self):
        try:
            self.run.stop()
        finally:
            self.introducer.stop()

    def works(self, what):
        data = self.run.bytes(100 * 1000)
        cap = self.run.put(data)
        self.run.expect(cap, data, what)
        return cap, data


def case_introducer(c):
    c.remembered()
    grid = Grid(c)
    try:
        run = grid.run
        cap, data = grid.works("through the introducer")
        version = run.bytes(3000)
        slot = run.put(version, "--format=SDMF")

        def still_there(what):
            nonlocal version
            run.client.wait_connected()
            run.expect(cap, data, what)
            version = run.bytes(3000)
            run.client.cli("put", run.file(version), slot)
            run.expect(slot, version, what)

        run.node.restart()
        still_there("after a restart of the node")
        grid.introducer.stop()
        grid.introducer.start()
        still_there("after a restart of the introducer")
        # A client that starts now has its word from the introducer that has just forgotten all.
        run.client.stop()
        shutil.rmtree(run.client.directory / "private/introducer_ours_cache.yaml",
                      ignore_errors=True)
        run.client.start()
        still_there("with a client that starts later")
        run.node.stop()
        grid.introducer.stop()
        grid.introducer.start()
        run.node.start()
        still_there("after a restart of both")
    finally:
        grid.stop()


class GridManager:
    def __init__(self, command, directory):
        self.command = [command, "--config", directory]
        run_command([*self.command, "create"])
        self.identity = run_command([*self.command, "public-identity"]).decode().strip()
        self.seed = json.loads((directory / "config.json").read_text())["private_key"]

    def sign(self, public_key, days):
        run_command([*self.command, "add", "node", public_key])
        return run_command([*self.command, "sign", "node", str(days)]).decode()

    def sign_ended(self, public_key):
        """What the stock command does not make: a certificate that ended a day ago."""
        text = self.seed.removeprefix("priv-v0-").upper()
        seed = base64.b32decode(text + "=" * (-len(text) % 8))
        ended = datetime.now(timezone.utc) - timedelta(days=1)
        certificate = json.dumps({"expires": ended.isoformat(), "public_key": public_key,
                                  "version": 1}, separators=(",", ":"), sort_keys=True)
        key = base64.encodebytes(PKCS8_ED25519 + seed).decode()
        pem = f"-----BEGIN PRIVATE KEY-----\n{key}-----END PRIVATE KEY-----\n"
        return certificate, pem


def signed(directory, certificate, pem):
    key, text = directory / "key.pem", directory / "text"
    key.touch(mode=0o600)
    key.write_text(pem)
    text.write_text(certificate)
    signature = run_command(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", text])
    return json.dumps({"certificate": certificate, "signature":
                       base64.b32encode(signature).decode().lower().rstrip("=")})


def case_grid_manager(c):
    c.remembered()
    command = Path(c.tahoe).with_name("grid-manager")
    if not command.exists():
        raise Skip(f"no {command}")
    manager = GridManager(command, c.path("grid-manager"))
    grid = Grid(c, f"\n[grid_managers]\nours = {manager.identity}\n")
    try:
        node = grid.run.node

        def refused(what):
            grid.run.client.wait_connected()
            try:
                grid.run.put(grid.run.bytes(1000))
            except Failure as e:
                require("NoServersError" in str(e) or "UploadUnhappinessError" in str(e), str(e))
                return
            raise Failure(f"{what}: the client uploaded")

        def announce(certificate):
            (node.directory / "gm.cert").write_text(certificate)
            # The client reads certificates when it starts to know a server.
            grid.run.client.stop()
            node.restart()
            grid.run.client.start()

        refused("without a certificate")
        with open(node.directory / "tahoe.cfg", "a") as f:
            f.write("\n[storage]\ngrid_management = true\n"
                    "[grid_manager_certificates]\nours = gm.cert\n")
        public_key = (node.directory / "node.pubkey").read_text().strip()
        announce(manager.sign(public_key, 10))
        cap, data = grid.works("with a certificate")
        announce(signed(grid.run.work, *manager.sign_ended(public_key)))
        refused("with a certificate that has ended")
        require("ended on" in node.log.read_text(), "the node's log does not say so")
        same(grid.run.get(cap), data, "reading asks for no certificate")
    finally:
        grid.stop()
