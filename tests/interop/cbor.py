"""Just enough CBOR to compare two answers: decodes to JSON values that ignore map and set order."""
import base64
import hashlib
import json

MAX_DEPTH = 16
SHOWN_BYTES = 48
SET_TAG = 258


class Bad(Exception):
    pass


def opaque(data):
    """Bytes as JSON: themselves where short, else their length and digest."""
    if len(data) <= SHOWN_BYTES:
        return {"bytes": base64.b64encode(data).decode()}
    return {"length": len(data), "sha256": hashlib.sha256(data).hexdigest()}


class Reader:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise Bad("short")
        self.at += count
        return self.data[self.at - count:self.at]

    def head(self):
        first = self.take(1)[0]
        major, low = first >> 5, first & 31
        if low < 24:
            return major, low
        if low < 28:
            return major, int.from_bytes(self.take(1 << (low - 24)), "big")
        if low == 31 and major in (2, 3, 4, 5, 7):
            return major, None
        raise Bad(f"head {first:#x}")

    def at_break(self):
        if self.data[self.at:self.at + 1] == b"\xff":
            self.at += 1
            return True
        return False

    def items(self, count, depth):
        found = []
        while len(found) < count if count is not None else not self.at_break():
            found.append(self.value(depth))
        return found

    def string(self, major, length):
        if length is not None:
            return self.take(length)
        parts = []
        while not self.at_break():
            inner, size = self.head()
            if inner != major or size is None:
                raise Bad("chunk of a string")
            parts.append(self.take(size))
        return b"".join(parts)

    def value(self, depth=0):
        if depth > MAX_DEPTH:
            raise Bad("deep")
        major, number = self.head()
        if major == 0:
            return number
        if major == 1:
            return -1 - number
        if major == 2:
            return opaque(self.string(major, number))
        if major == 3:
            return self.string(major, number).decode()
        if major == 4:
            return self.items(number, depth + 1)
        if major == 5:
            flat = self.items(None if number is None else 2 * number, depth + 1)
            pairs = [list(p) for p in zip(flat[::2], flat[1::2])]
            return {"map": sorted(pairs, key=json.dumps)}
        if major == 6:
            inner = self.value(depth + 1)
            if number == SET_TAG and isinstance(inner, list):
                return {"set": sorted(inner, key=json.dumps)}
            return {"tag": number, "value": inner}
        if number in (20, 21, 22):
            return (False, True, None)[number - 20]
        raise Bad(f"simple value {number}")


def decode(data):
    reader = Reader(data)
    value = reader.value()
    if reader.at != len(data):
        raise Bad("bytes after the value")
    return value
