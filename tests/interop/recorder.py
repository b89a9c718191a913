"""A TLS proxy of its own identity between the stock client and the node; keeps what passes.

One exchange at a time goes to the node, so that the order written is the order that happened.
"""
import base64
import http.client
import http.server
import json
import ssl
import threading

import cbor
from nodes import NURL, run_command, spki_hash

UPSTREAM_TIMEOUT_S = 60
MAX_BODY_BYTES = 64 * 1024 * 1024
# what the protocol looks at; the swissnum is put in by the replay
KEPT_REQUEST_HEADERS = ("accept", "content-type", "content-range", "range",
                        "x-tahoe-authorization")
KEPT_ANSWER_HEADERS = ("content-type", "content-range")
VERSION_PATH = "/storage/v1/version"


def answer_facts(status, headers, body):
    """What a replay compares of an answer; headers is a list of pairs."""
    kept = sorted([k.lower(), v] for k, v in headers if k.lower() in KEPT_ANSWER_HEADERS)
    facts = {"status": status}
    kind = dict(kept).get("content-type", "")
    if body and kind.split(";")[0] == "application/cbor":
        try:
            facts["cbor"] = cbor.decode(body)
        except (cbor.Bad, UnicodeDecodeError) as e:
            facts["broken cbor"] = str(e)
    elif body:
        facts["body"] = cbor.opaque(body)
    # an answer without a body needs no type; servers differ there
    facts["headers"] = [p for p in kept if body or p[0] != "content-type" or status == 404]
    return facts


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def read_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(min(int(self.headers.get("Content-Length", 0)), MAX_BODY_BYTES))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            if len(body) + size > MAX_BODY_BYTES:
                raise ConnectionError("body too large to record")
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def exchange(self):
        body = self.read_body()
        status, headers, answer = self.server.recorder.forward(
            self.command, self.path, self.headers.items(), body)
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = exchange


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, recorder, certificate):
        super().__init__(("127.0.0.1", 0), Handler)
        self.recorder = recorder
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate)

    def finish_request(self, request, address):
        # the handshake belongs to the connection's own thread
        with self.tls.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, address)

    def handle_error(self, request, address):
        pass


class Recorder:
    def __init__(self, work, directory):
        self.directory = directory
        self.lock = threading.Lock()
        self.exchanges = []
        self.connection = None
        self.endpoint = None
        self.agent = ""
        key, certificate = work / "recorder-key.pem", work / "recorder.pem"
        run_command(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:P-256", "-nodes", "-days", "3650", "-subj", "/CN=recorder",
                     "-keyout", key, "-out", certificate])
        with open(certificate, "a") as f:
            f.write(key.read_text())
        self.spki = spki_hash(certificate)
        self.server = Server(self, certificate)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def route(self, entry):
        """The client's servers.yaml entry with this proxy in the node's place."""
        port = self.server.server_address[1]
        match = NURL.search(entry)
        self.endpoint = match[2], int(match[3])
        return NURL.sub(lambda m: f"pb://{self.spki}@127.0.0.1:{port}/{m[4]}#v=1", entry)

    def begin(self, node):
        with self.lock:
            self.endpoint = node.endpoint()
            self.exchanges = []
            self.connection = None

    def ask(self, method, path, headers, body):
        if self.connection is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self.connection = http.client.HTTPSConnection(*self.endpoint, context=context,
                                                          timeout=UPSTREAM_TIMEOUT_S)
        c = self.connection
        c.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "expect"):
                c.putheader(name, value)
        c.putheader("Content-Length", str(len(body)))
        c.endheaders(body)
        response = c.getresponse()
        return response.status, response.getheaders(), response.read()

    def forward(self, method, path, headers, body):
        with self.lock:
            try:
                status, answer_headers, answer = self.ask(method, path, headers, body)
            except (OSError, http.client.HTTPException):
                self.connection = None
                raise
            self.keep(method, path, headers, body, answer_facts(status, answer_headers, answer))
            return status, answer_headers, answer

    def keep(self, method, path, headers, body, facts):
        known = any(e["path"] == VERSION_PATH for e in self.exchanges)
        if path == VERSION_PATH and known:
            return
        kept = [[k, v] for k, v in headers if k.lower() in KEPT_REQUEST_HEADERS]
        exchange = {"method": method, "path": path, "headers": kept}
        if body:
            exchange["body"] = base64.b64encode(body).decode()
        self.exchanges.append({**exchange, "answer": facts})

    def save(self, name):
        with self.lock:
            exchanges, self.exchanges = self.exchanges, []
        self.directory.mkdir(parents=True, exist_ok=True)
        lines = ",\n".join(json.dumps(e, separators=(",", ":")) for e in exchanges)
        (self.directory / f"{name}.json").write_text('{"exchanges":[\n' + lines + "\n]}\n")

    def close(self):
        self.server.shutdown()
        self.server.server_close()
