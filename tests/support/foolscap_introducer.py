"""An introducer for tests, with Foolscap's real wire code.

    foolscap_introducer.py DIRECTORY PORT

Its certificate and name are kept in DIRECTORY, so that a second run is the same introducer. PORT 0:
a free one. Prints JSON, one object per line: {"furl": ...} when it can be reached, then for each
publish_v2 {"message": ..., "signature": ..., "key": ..., "peer": ...}; bytes as text. Ends when its
standard input does. Exit 77: no Foolscap here.
"""
import json
import os
import sys
import warnings

# Foolscap deprecated asking for the port that the system chose; a test wants exactly that.
warnings.simplefilter("ignore", DeprecationWarning)

try:
    from foolscap.api import Any, Referenceable, RemoteInterface, Tub
    from foolscap.constraint import ByteStringConstraint
    from foolscap.schema import TupleOf
    from twisted.internet import reactor, stdio
    from twisted.internet.protocol import Protocol
    from zope.interface import implementer
except ImportError as missing:
    print(missing, file=sys.stderr)
    sys.exit(77)

VERSION = {
    b"application-version": b"test",
    b"http://allmydata.org/tahoe/protocols/introducer/v2": {},
}
PART = ByteStringConstraint(1 << 20)


class Introducer(RemoteInterface):
    __remote_name__ = "RIIntroducerPublisherAndSubscriberService_v2.tahoe.allmydata.com"

    def get_version():
        return Any()

    def publish_v2(announcement=TupleOf(PART, PART, PART), canary=Referenceable):
        return None


def say(record):
    print(json.dumps(record), flush=True)


@implementer(Introducer)
class Service(Referenceable):
    def remote_get_version(self):
        return VERSION

    def remote_publish_v2(self, announcement, canary):
        message, signature, key = (part.decode("utf-8") for part in announcement)
        say({
            "message": message,
            "signature": signature,
            "key": key,
            "peer": canary.tracker.broker.remote_tubref.getTubID(),
        })


class UntilEnd(Protocol):
    def connectionLost(self, reason):
        if reactor.running:
            reactor.stop()


def main(directory, port):
    tub = Tub(certFile=os.path.join(directory, "introducer.pem"))
    tub.startService()
    port = tub.listenOn("tcp:%d:interface=127.0.0.1" % port).getPortnum()
    tub.setLocation("tcp:127.0.0.1:%d" % port)
    furl = tub.registerReference(Service(), furlFile=os.path.join(directory, "introducer.furl"))
    say({"furl": furl})
    stdio.StandardIO(UntilEnd())
    reactor.run()


main(sys.argv[1], int(sys.argv[2]))
