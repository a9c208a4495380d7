"""For tests: cuts a GGUF file into parts, as llama.cpp's gguf-split does."""

import struct

SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
STRING, ARRAY = 8, 9


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, layout):
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values if len(values) > 1 else values[0]

    def string(self):
        size = self.take("Q")
        self.at += size
        return self.data[self.at - size:self.at]

    def skip_value(self, kind):
        if kind == STRING:
            self.string()
        elif kind == ARRAY:
            inner, count = self.take("IQ")
            for _ in range(count):
                self.skip_value(inner)
        else:
            self.at += SIZES[kind]


def text(data):
    return struct.pack("<Q", len(data)) + data


def place(number, count, num_tensors):
    return b"".join((text(b"split.no"), struct.pack("<IH", 2, number), text(b"split.count"),
                     struct.pack("<IH", 2, count), text(b"split.tensors.count"),
                     struct.pack("<Ii", 5, num_tensors)))


def parse(data):
    """Version, number of pairs, their bytes, and (name, dims, type, bytes) of each tensor."""
    reader = Reader(data)
    magic, version, num_tensors, num_pairs = reader.take("4sIQQ")
    assert magic == b"GGUF"
    begin = reader.at
    for _ in range(num_pairs):
        reader.string()
        reader.skip_value(reader.take("I"))
    pairs = data[begin:reader.at]
    tensors = []
    for _ in range(num_tensors):
        name = reader.string()
        dims = [reader.take("Q") for _ in range(reader.take("I"))]
        tensors.append((name, dims, *reader.take("IQ")))
    start = (reader.at + 31) // 32 * 32
    ends = sorted([tensor[3] for tensor in tensors] + [len(data) - start])
    return version, num_pairs, pairs, [
        (name, dims, kind, data[start + offset:start + min(end for end in ends if end > offset)])
        for name, dims, kind, offset in tensors]


def split(data, count):
    """The bytes of `count` parts. The file aligns by 32 and has no empty tensor."""
    version, num_pairs, pairs, tensors = parse(data)
    parts = []
    for number in range(count):
        own = tensors[number * len(tensors) // count:(number + 1) * len(tensors) // count]
        info, body = b"", b""
        for name, dims, kind, values in own:
            info += text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, len(body))
            body += values + bytes(-len(values) % 32)
        more = pairs if number == 0 else b""
        head = struct.pack("<4sIQQ", b"GGUF", version, len(own), 3 + (num_pairs if number == 0 else 0))
        head += more + place(number, count, len(tensors)) + info
        parts.append(head + bytes(-len(head) % 32) + body)
    return parts
