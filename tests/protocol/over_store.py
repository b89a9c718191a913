#!/usr/bin/env python3
"""The protocol suite against a node whose shares lie in the store that the environment names.

  over_store.py s3|openstack PROTOCOL_TEST   runs PROTOCOL_TEST against a node on that store, once
                                             for each way of asking it; exits as it did
  over_store.py s3 PROTOCOL_TEST WORD        a few of its cases, against a node whose clock is WORD
                                             ("ahead of" or "behind") the store's, and must say so

Beside swift_server.py, which sets the variables SHARESTORE_TEST_S3_* and _SWIFT_*. The node is the
program SHARESTORE_PROGRAM.
"""
import os
import subprocess
import sys
import tempfile

PROGRAM = os.environ["SHARESTORE_PROGRAM"]
# Uploads, reads, mutable writes, leases.
FEW_CASES = "--gtest_filter=*IStorageServerTests.*"


def setting(name):
    return os.environ["SHARESTORE_TEST_" + name]


def s3(signature):
    return {"s3.signature": signature, "s3.bucket": "protocol-" + signature,
            "s3.url": setting("S3_URL"), "s3.region": setting("S3_REGION"),
            "s3.access_key_id": setting("S3_ACCESS_KEY_ID"),
            }, "s3secret", setting("S3_SECRET_ACCESS_KEY")


def openstack(url):
    return {"openstack.provider": "swift", "openstack.url": url,
            "openstack.container": "protocol", "openstack.username": setting("SWIFT_USER"),
            }, "openstack_api_key", setting("SWIFT_KEY")


def ways(store):
    """(name, (keys, file of the secret, secret)) of every way to ask that store."""
    if store == "s3":
        return [("signature " + version, s3(version)) for version in ("v4", "v2")]
    # The service itself: that it speaks v1 is found out.
    return [("v1", openstack(setting("SWIFT_AUTH_URL").removesuffix("/auth/v1.0")))]


def configure(node, store, keys, secret_file, secret):
    """Puts the store into the tahoe.cfg of a fresh node."""
    subprocess.run([PROGRAM, "create-node", "--backend=memory", "--hostname=127.0.0.1", node],
                   check=True, stdout=subprocess.DEVNULL)
    path = os.path.join(node, "tahoe.cfg")
    with open(path) as file:
        text = file.read()
    lines = ["backend = cloud." + store, "memory_limit = 64MiB", store + ".prefix = node-a/"]
    lines += ["%s = %s" % pair for pair in keys.items()]
    with open(path, "w") as file:
        file.write(text.replace("backend = memory", "\n".join(lines)))
    descriptor = os.open(os.path.join(node, "private", secret_file), os.O_WRONLY | os.O_CREAT,
                         0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret)


def clock_is_told(node, log, word):
    """Whether log and status say how the clocks differ; prints what is missing."""
    status = subprocess.run([PROGRAM, "status", node], check=True, capture_output=True,
                            text=True).stdout
    wanted = {"status": (status, "the clock of this machine is 1"),
              "status, direction": (status, f" s {word} the store's"),
              "log": ("".join(log), "requests are signed with the store's time from now on")}
    missing = [where for where, (text, part) in wanted.items() if part not in text]
    if missing:
        print("not told:", ", ".join(missing), status)
    return not missing


def run(suite, clock, store, keys, secret_file, secret):
    with tempfile.TemporaryDirectory() as directory:
        node = os.path.join(directory, "node")
        configure(node, store, keys, secret_file, secret)
        for command in ("create-container", "probe"):
            subprocess.run([PROGRAM, "admin", command, node], check=True)
        running = subprocess.Popen([PROGRAM, "run", node], stderr=subprocess.PIPE, text=True)
        log = []
        try:
            for line in running.stderr:
                log.append(line)
                if " running: " in line:
                    break
            nurl = subprocess.run([PROGRAM, "nurl", node], check=True, capture_output=True,
                                  text=True).stdout.strip()
            code = subprocess.run([suite] + ([FEW_CASES] if clock else []),
                                  env=dict(os.environ, SHARESTORE_TEST_NURL=nurl)).returncode
            if clock and not code and not clock_is_told(node, log, clock):
                code = 1
        finally:
            running.terminate()
            log.append(running.communicate(timeout=60)[1])
        if code or running.returncode:
            sys.stdout.write("".join(log))
        return code or running.returncode


if __name__ == "__main__":
    kind = sys.argv[1]
    for name, way in ways(kind):
        failed = run(sys.argv[2], (sys.argv + [None])[3], kind, *way)
        if failed:
            print("FAILED with", kind, name)
            sys.exit(1)
