#!/usr/bin/python3
"""What `servers-yaml` prints, read by the YAML parser that clients use, says what the node's files say."""
import base64
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import yaml
except ImportError:
    print("skipped: python3-yaml is not installed")
    sys.exit(77)

PROGRAM = os.environ["SHARESTORE_PROGRAM"]
NICKNAME = "Knoten \"#1\": {a, b} \\ %d \u00fc \U0001f4be"


def run(*arguments):
    return subprocess.run([PROGRAM, *arguments], check=True, stdout=subprocess.PIPE).stdout


def openssl(*arguments, stdin=None):
    return subprocess.run(["openssl", *arguments], check=True, input=stdin,
                          stdout=subprocess.PIPE).stdout


def b32(data):
    return base64.b32encode(data).decode().lower().rstrip("=")


def expect(what, got, wanted):
    if got != wanted:
        sys.exit(f"{what}: {got!r}, expected {wanted!r}")


def add_certificate(node):
    """A Grid Manager's certificate, as far as the node looks at it."""
    text = '{"expires": "2099-01-01T00:00:00+00:00", "public_key": "%s", "version": 1}' % (
        (node / "node.pubkey").read_text().strip())
    import json
    signature = b32(bytes(64))
    (node / "gm.cert").write_text(json.dumps({"certificate": text, "signature": signature}))
    with open(node / "tahoe.cfg", "a") as f:
        f.write("\n[storage]\ngrid_management = true\n"
                "[grid_manager_certificates]\nmanager = gm.cert\n")
    return {"certificate": text, "signature": signature}


def check(node):
    certificate = add_certificate(node)
    entry = yaml.safe_load(run("servers-yaml", str(node)))
    expect("top", list(entry), ["storage"])
    (server, value), = entry["storage"].items()
    expect("server id", "pub-" + server, (node / "node.pubkey").read_text().strip())
    expect("keys of the entry", list(value), ["ann"])
    ann = value["ann"]
    expect("keys of ann", sorted(ann), sorted([
        "nickname", "anonymous-storage-FURL", "permutation-seed-base32",
        "anonymous-storage-NURLs", "grid-manager-certificates"]))
    expect("nickname", ann["nickname"], NICKNAME)
    furl = (node / "private/storage.furl").read_text().strip()
    expect("FURL", ann["anonymous-storage-FURL"], furl)
    der = openssl("x509", "-in", str(node / "private/node.pem"), "-outform", "der")
    expect("tub", re.match(r"pb://(\w+)@", furl)[1], b32(hashlib.sha1(der).digest()))
    expect("seed", ann["permutation-seed-base32"], (node / "permutation-seed").read_text().strip())
    public = openssl("x509", "-in", str(node / "private/node.pem"), "-noout", "-pubkey")
    spki = hashlib.sha256(openssl("pkey", "-pubin", "-outform", "der", stdin=public)).digest()
    name = base64.urlsafe_b64encode(spki).decode().rstrip("=")
    where, swissnum = furl.split("@tcp:")[1].split("/")
    nurl = f"pb://{name}@{where}/{swissnum}#v=1"
    expect("NURLs", ann["anonymous-storage-NURLs"], [nurl])
    expect("nurl command", run("nurl", str(node)).decode(), nurl + "\n")
    expect("certificates", ann["grid-manager-certificates"], [certificate])


with tempfile.TemporaryDirectory() as work:
    made = Path(work) / "node"
    run("create-node", "--hostname=127.0.0.1", "--nickname", NICKNAME, str(made))
    check(made)
print("servers-yaml: correct")
