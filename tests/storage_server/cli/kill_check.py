#!/usr/bin/python3
"""kill -9 of a serving node while clients upload and change a mutable file, then a restart, again
and again: whatever was acknowledged is there byte for byte, an upload is whole or absent, and the
two shares of the mutable file are of one version.
"""
import base64
import http.client
import random
import re
import signal
import ssl
import sys
import tempfile
import threading
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from program import command, serving  # noqa: E402

ROUNDS = 6
UPLOADERS = 3
PIECES = 3
SLOT = "a" * 26
LARGE_BYTES = 300_000
TIMEOUT_S = 60


def secret(letter):
    return base64.b64encode(letter.encode() * 32).decode()


RENEW = f"lease-renew-secret {secret('r')}"
CANCEL = f"lease-cancel-secret {secret('c')}"
UPLOAD = f"upload-secret {secret('u')}"
ENABLER = f"write-enabler {secret('w')}"


class Client:
    def __init__(self, nurl):
        port, swissnum = re.search(r":(\d+)/(\w+)#", nurl).groups()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.http = http.client.HTTPSConnection("127.0.0.1", int(port), context=context,
                                                timeout=TIMEOUT_S)
        self.authorization = "Tahoe-LAFS " + base64.b64encode(swissnum.encode()).decode()

    def ask(self, method, path, secrets=(), body=b"", **headers):
        self.http.putrequest(method, "/storage/v1/" + path)
        self.http.putheader("Authorization", self.authorization)
        for line in secrets:
            self.http.putheader("X-Tahoe-Authorization", line)
        for name, value in headers.items():
            self.http.putheader(name.replace("_", "-"), value)
        self.http.putheader("Content-Length", str(len(body)))
        self.http.endheaders(body)
        answer = self.http.getresponse()
        return answer.status, answer.read()


def head(major, value):
    for low, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if value < 24:
            return bytes([major << 5 | value])
        if value < 1 << 8 * size:
            return bytes([major << 5 | low]) + value.to_bytes(size, "big")
    raise ValueError(value)


class SetOfUints(list):
    pass


def cbor(value):
    if value is None:
        return b"\xf6"
    if isinstance(value, SetOfUints):
        return head(6, 258) + cbor(list(value))
    if isinstance(value, int):
        return head(0, value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value)) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(cbor, value))
    return head(5, len(value)) + b"".join(cbor(k) + cbor(v) for k, v in value.items())


def upload_index(number):
    return base64.b32encode(number.to_bytes(16, "big")).decode().lower().rstrip("=")


def upload_data(number):
    return random.Random(number).randbytes(20_000 + number * 7919 % 400_000)


def slot_data(version):
    text = b"version %08d " % version
    return text, (text * (LARGE_BYTES // len(text) + 1))[:LARGE_BYTES]


class Ledger:
    """What clients were told, and when the node is to be killed."""

    def __init__(self):
        self.lock = threading.Lock()
        self.next_upload = 1
        self.uploaded = set()
        self.version = 0
        self.tried = 0
        self.until_kill = 0
        self.kill = threading.Event()
        self.errors = []

    def new_upload(self):
        with self.lock:
            self.next_upload += 1
            return self.next_upload - 1

    def acknowledged(self, upload=None, version=None):
        with self.lock:
            if upload is not None:
                self.uploaded.add(upload)
            if version is not None:
                self.version = version
            self.until_kill -= 1
            if self.until_kill == 0:
                self.kill.set()

    def failed(self, what):
        with self.lock:
            self.errors.append(what)
            self.kill.set()


def upload(client, ledger):
    number = ledger.new_upload()
    path, data = "immutable/" + upload_index(number), upload_data(number)
    status, _ = client.ask("POST", path, (RENEW, CANCEL, UPLOAD), cbor(
        {"share-numbers": SetOfUints([0]), "allocated-size": len(data)}),
        Content_Type="application/cbor")
    step = len(data) // PIECES + 1
    for begin in range(0, len(data), step):
        piece = data[begin:begin + step]
        status, _ = client.ask("PATCH", path + "/0", (UPLOAD,), piece, Content_Range=(
            f"bytes {begin}-{begin + len(piece) - 1}/{len(data)}"))
    if status != 201:
        return ledger.failed(f"upload {number}: {status}")
    ledger.acknowledged(upload=number)


def change_slot(client, ledger):
    version = ledger.tried = ledger.version + 1
    small, large = slot_data(version)
    vectors = {n: {"test": [], "write": [{"offset": 0, "data": data}], "new-length": None}
               for n, data in ((0, small), (1, large))}
    status, body = client.ask(
        "POST", f"mutable/{SLOT}/read-test-write", (RENEW, CANCEL, ENABLER),
        cbor({"test-write-vectors": vectors, "read-vector": []}), Content_Type="application/cbor")
    if status != 200:
        return ledger.failed(f"version {version}: {status} {body[:80]}")
    ledger.acknowledged(version=version)


def until_killed(nurl, ledger, step):
    client = Client(nurl)
    try:
        while not ledger.kill.is_set():
            step(client, ledger)
    except (OSError, http.client.HTTPException) as e:
        # without an answer nothing was promised; before the kill it is an error
        if not ledger.kill.is_set():
            ledger.failed(f"{type(e).__name__}: {e}")


def check(nurl, ledger):
    client = Client(nurl)
    for number in range(1, ledger.next_upload):
        status, data = client.ask("GET", f"immutable/{upload_index(number)}/0")
        if status == 404 and number not in ledger.uploaded:
            continue
        if status != 200 or data != upload_data(number):
            sys.exit(f"upload {number}: {status}, {len(data)} bytes, acknowledged: "
                     f"{number in ledger.uploaded}")
        ledger.uploaded.add(number)
    found = [client.ask("GET", f"mutable/{SLOT}/{n}") for n in (0, 1)]
    for version in {ledger.version, ledger.tried}:
        wanted = [(200, data) for data in slot_data(version)] if version else [(404, b"")] * 2
        if [(status, data if status == 200 else b"") for status, data in found] == wanted:
            ledger.version = version
            return
    sys.exit(f"mutable file: {[(s, d[:20]) for s, d in found]}; acknowledged version "
             f"{ledger.version}, tried {ledger.tried}")


def main(directory):
    node = directory / "node"
    command("create-node", "--hostname=127.0.0.1", node)
    nurl = command("nurl", node)
    ledger = Ledger()
    chance = random.Random(11)
    for _ in range(ROUNDS):
        process = serving(node)
        ledger.kill.clear()
        ledger.until_kill = chance.randint(3, 40)
        steps = [upload] * UPLOADERS + [change_slot]
        threads = [threading.Thread(target=until_killed, args=(nurl, ledger, s)) for s in steps]
        for thread in threads:
            thread.start()
        # real time: clients and node are real processes
        told = ledger.kill.wait(TIMEOUT_S)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for thread in threads:
            thread.join()
        if ledger.errors or not told:
            sys.exit(f"before the kill: {ledger.errors or 'no progress'}")
        process = serving(node)
        check(nurl, ledger)
        process.send_signal(signal.SIGTERM)
        if process.wait(TIMEOUT_S) != 0:
            sys.exit("a clean stop failed")
    print(f"kill -9: {ROUNDS} times, {len(ledger.uploaded)} uploads and {ledger.version} versions "
          "kept")


with tempfile.TemporaryDirectory() as work:
    main(Path(work))
