"""An independent reader of index files, written from docs/format.md alone with numpy and zlib."""

import struct
import zlib
from pathlib import Path

import numpy as np

DTYPES = [None, "u1", "i1", "<u2", "<f2", "<u4", "<f4", "<u8", "<i8"]


def _name(field):
    return field.rstrip(b"\0").decode("ascii")


def read(path):
    """(params, arrays) of a file and its log, every checksum and every padding byte compared."""
    data = Path(path).read_bytes()
    magic, major, _, endian, length, count, table_sum, zeros, head_sum = struct.unpack_from("<8sHHIQII28sI", data)
    assert (magic, endian, length) == (b"\x89FBX\r\n\x1a\n", 0x01020304, len(data))
    assert head_sum == zlib.crc32(data[:60])
    assert not any(zeros)
    end = 64 + 64 * count
    assert zlib.crc32(data[64:end]) == table_sum
    arrays, names, places = {}, [], set()
    for i in range(count):
        name, dtype, _, offset, size, checksum, _ = struct.unpack_from("<32sIIQQII", data, 64 + 64 * i)
        assert offset == -(-end // 64) * 64
        assert not any(data[end:offset])
        end = offset + size
        assert zlib.crc32(data[offset:end]) == checksum
        names.append(_name(name))
        places.add((offset, size, dtype, checksum))
        arrays[names[-1]] = _array(data[offset:end], dtype)
    assert end == len(data)
    assert names == sorted(set(names))
    log = Path(f"{path}.log")
    if log.exists():
        arrays = read_log(log.read_bytes(), data, places, identity(data[: 64 + 64 * count])) or arrays
    records = arrays.pop("params").tobytes()
    params = {_name(n): v for n, v in struct.iter_unpack("<32sQ", records)}
    assert major == params.get("format", 1) <= 2
    return params, arrays


def _array(data, dtype):
    return np.frombuffer(data, DTYPES[dtype])


def identity(head):
    h = 0xCBF29CE484222325
    for byte in head:
        h = (h ^ byte) * 0x100000001B3 % 2**64
    return h


def _mark(log, offset, letter):
    """(identity, number, begin, table, entries, checksum of the table), or None if there is no such mark."""
    if not 0 <= offset <= len(log) - 64:
        return None
    magic, *values, zeros, checksum = struct.unpack_from("<8sQQQQII12sI", log, offset)
    if magic != b"\x89FB" + letter + b"\r\n\x1a\n" or checksum != zlib.crc32(log[offset : offset + 60]):
        return None
    assert not any(zeros)
    return values


def read_log(log, file, places, of_file):
    """The arrays of a file and its log, which is complete; None if the log holds nothing of the file."""
    end = len(log) - 64 if _mark(log, len(log) - 64, b"C") else len(log)
    arrays = None
    while end:
        of, number, begin, table, entries, table_sum = _mark(log, end - 64, b"E")
        if of != of_file:
            return None
        assert _mark(log, begin, b"C") == [of, number, begin, 0, 0, 0]
        assert table + 64 * entries == end - 64
        assert zlib.crc32(log[table : end - 64]) == table_sum
        assert (number == 1) == (begin == 0)
        found, own = _arrays(log, file, places, table, entries, begin)
        arrays = found if arrays is None else arrays  # the last change says all
        at = begin + 64
        for offset, size in own:
            assert offset == -(-at // 64) * 64
            assert not any(log[at:offset])
            at = offset + size
        assert not any(log[at:table])
        end = begin
    return arrays


def _arrays(log, file, places, table, entries, begin):
    """The arrays that a table lists, and where in the log the sections are that its change added."""
    content, dtypes, own = {}, {}, set()
    for i in range(entries):
        name, dtype, flags, offset, size, checksum, _ = struct.unpack_from("<32sIIQQII", log, table + 64 * i)
        data = (file if flags & 2 else log)[offset : offset + size]
        assert len(data) == size
        assert zlib.crc32(data) == checksum
        if flags & 2:
            assert (offset, size, dtype, checksum) in places
        elif offset >= begin:
            own.add((offset, size))
        before = content.get(_name(name))
        assert before is None or flags & 4
        content[_name(name)] = runs(data, before or b"") if flags & 4 else data
        dtypes[_name(name)] = dtype
    assert list(content) == sorted(content)
    return {name: _array(data, dtypes[name]) for name, data in content.items()}, sorted(own)


def runs(data, before):
    length, n = struct.unpack_from("<QQ", data)
    words = np.frombuffer(data, "<u8", n, 16)
    counts = np.frombuffer(data, "<u4", n, 16 + 8 * n)
    assert len(data) == 16 + 12 * n + 4 * (n % 2)
    change = np.repeat(words, counts).tobytes()
    assert length <= len(change) < length + 8
    assert length >= len(before)
    x = np.frombuffer(change[:length], np.uint8) ^ np.frombuffer(before.ljust(length, b"\0"), np.uint8)
    return x.tobytes()


def unpack(rows, bits, elements):
    """(n, bytes) in row form to (n, elements)."""
    if bits == 4:
        return np.stack([rows & 15, rows >> 4], axis=-1).reshape(len(rows), -1)[:, :elements]
    return np.ascontiguousarray(rows).view({8: "u1", 16: "<f2", 32: "<f4"}[bits])


def codes(arrays, segment, bits, elements):
    """(n, elements), in row order, out of a segment's blocks."""
    lists, data, at, found = arrays[f"{segment}.lists"], arrays[f"{segment}.codes"], 0, []
    for n in np.diff(lists.astype(np.int64)).tolist():
        for r in [32] * (n // 32) + [n % 32] * (n % 32 > 0):
            size = -(-r * bits // 8)
            found.append(unpack(data[at : at + elements * size].reshape(elements, size), bits, r).T)
            at += elements * size
    assert at == len(data)
    return np.concatenate(found)


def alive(arrays, segment, n):
    """Which of a segment's n rows are not removed."""
    bits = arrays.get(f"{segment}.removed", np.zeros(-(-n // 8), np.uint8))
    flags = np.unpackbits(bits, bitorder="little")
    assert not flags[n:].any()
    return flags[:n] == 0
