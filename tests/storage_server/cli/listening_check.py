#!/usr/bin/python3
"""A running node with several listeners and location hints, and what Foolscap has to do with it.

Its client, which tries the port that a storage FURL names, is refused in words that its log shows;
its server, which is the Python node's, works with the certificate of the node directory.
"""
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from program import command, serving  # noqa: E402

REFUSAL = "this storage node speaks only the HTTP storage protocol, not Foolscap"
ONION = "tor:" + 56 * "a" + ".onion:3457"


def expect(what, held, seen=""):
    if not held:
        sys.exit(f"{what}: {seen!r}")


def configured(directory, port, location):
    node = directory / "node"
    command("create-node", "--hostname=127.0.0.1", str(node))
    path = node / "tahoe.cfg"
    text = path.read_text()
    text = re.sub(r"(?m)^tub\.port *=.*$", lambda _: f"tub.port = {port}", text)
    text = re.sub(r"(?m)^tub\.location *=.*$", lambda _: f"tub.location = {location}", text)
    path.write_text(text)
    return node


def free_ports(count):
    """Free on IPv4 and IPv6 alike: nothing else may take them before the node does."""
    sockets = [socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
               for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def answer(plain):
    """The first line that a client hears over TLS, without saying who it is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with context.wrap_socket(plain) as s:
        s.settimeout(20)
        s.sendall(b"GET /storage/v1/version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return s.recv(64).split(b"\r\n")[0]


def by_unix(path):
    s = socket.socket(socket.AF_UNIX)
    s.connect(str(path))
    return s


FOOLSCAP_CLIENT = """
import sys, warnings
warnings.simplefilter("ignore")
try:
    from foolscap.api import Tub
    from twisted.internet import reactor
except ImportError:
    sys.exit(77)
tub = Tub()
tub.startService()
def done(result):
    print(result)
    reactor.stop()
tub.getReference(sys.argv[1]).addBoth(done)
reactor.callLater(30, lambda: done("nothing within 30 s"))
reactor.run()
"""

# The Python node serves with the certificate of the directory that it finds.
FOOLSCAP_SERVER = """
import sys, warnings
warnings.simplefilter("ignore")
from foolscap.api import Referenceable, Tub
from twisted.internet import reactor
class Answer(Referenceable):
    def remote_ask(self):
        return 42
server = Tub(certFile=sys.argv[1])
server.startService()
port = server.listenOn("tcp:0:interface=127.0.0.1").getPortnum()
server.setLocation("tcp:127.0.0.1:%d" % port)
client = Tub()
client.startService()
def done(result):
    print(server.tubID, result)
    reactor.stop()
asked = client.getReference(server.registerReference(Answer()))
asked.addCallback(lambda reference: reference.callRemote("ask")).addBoth(done)
reactor.callLater(30, lambda: done("nothing within 30 s"))
reactor.run()
"""


def foolscap(script, argument):
    """What a script with Foolscap's wire code says; None where there is no Foolscap."""
    # real time: a program of somebody else, with no clock of ours
    ran = subprocess.run([sys.executable, "-c", script, argument], stdout=subprocess.PIPE,
                         text=True, timeout=60)
    return None if ran.returncode == 77 else ran.stdout


def main(directory):
    one, two = free_ports(2)
    there = directory / "there.sock"
    node = configured(
        directory,
        f"tcp:{one}:interface=127.0.0.1,tcp6:{two}:interface=\\:\\:1,unix:{there}:mode=600",
        f"tcp:127.0.0.1:{one},tcp:[::1]:{two},{ONION}")
    nurls = command("nurl", str(node)).split()
    where = [re.match(r"(pb(?:\+tor)?)://[\w-]{43}@([^/]+)/\w+#v=1$", nurl) for nurl in nurls]
    expect("NURLs", all(where), nurls)
    expect("where", [(m[1], m[2]) for m in where] == [
        ("pb", f"127.0.0.1:{one}"), ("pb", f"[::1]:{two}"), ("pb+tor", ONION[4:])], nurls)

    process = serving(node)
    try:
        for what, connect in (("tcp", lambda: socket.create_connection(("127.0.0.1", one), 20)),
                              ("tcp6", lambda: socket.create_connection(("::1", two), 20)),
                              ("unix", lambda: by_unix(there))):
            heard = answer(connect())
            expect(what, heard == b"HTTP/1.1 401 Unauthorized", heard)
        expect("mode of the unix socket", there.stat().st_mode & 0o777 == 0o600)
        furl = (node / "private/storage.furl").read_text().strip()
        # One hint only: of several, Foolscap shows what the last one said.
        said = foolscap(FOOLSCAP_CLIENT, re.sub(r"@.*/", f"@tcp:127.0.0.1:{one}/", furl))
        if said is None:
            print("no python3-foolscap here: its client and server were not tried")
        else:
            expect("Foolscap shows why", REFUSAL in said, said)
            said = foolscap(FOOLSCAP_SERVER, str(node / "private/node.pem"))
            expect("Foolscap serves with our certificate",
                   said == f"{(node / 'my_nodeid').read_text().strip()} 42\n", said)
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
    expect("exit status", code == 0, code)


with tempfile.TemporaryDirectory() as work:
    main(Path(work))
print("listening: correct")
