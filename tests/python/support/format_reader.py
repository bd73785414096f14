"""An independent reader of index files, written from docs/format.md alone with numpy and zlib."""

import struct
import zlib
from pathlib import Path

import numpy as np

DTYPES = [None, "u1", "i1", "<u2", "<f2", "<u4", "<f4", "<u8", "<i8"]


def _name(field):
    return field.rstrip(b"\0").decode("ascii")


def read(path):
    """(params, arrays) of a file, every checksum and every padding byte compared."""
    data = Path(path).read_bytes()
    magic, major, _, endian, length, count, table_sum, zeros, head_sum = struct.unpack_from("<8sHHIQII28sI", data)
    assert (magic, endian, length) == (b"\x89FBX\r\n\x1a\n", 0x01020304, len(data))
    assert head_sum == zlib.crc32(data[:60])
    assert not any(zeros)
    end = 64 + 64 * count
    assert zlib.crc32(data[64:end]) == table_sum
    arrays, names = {}, []
    for i in range(count):
        name, dtype, _, offset, size, checksum, _ = struct.unpack_from("<32sIIQQII", data, 64 + 64 * i)
        assert offset == -(-end // 64) * 64
        assert not any(data[end:offset])
        end = offset + size
        assert zlib.crc32(data[offset:end]) == checksum
        names.append(_name(name))
        arrays[names[-1]] = np.frombuffer(data, DTYPES[dtype], size // np.dtype(DTYPES[dtype]).itemsize, offset)
    assert end == len(data)
    assert names == sorted(set(names))
    records = arrays.pop("params").tobytes()
    params = {_name(n): v for n, v in struct.iter_unpack("<32sQ", records)}
    assert major == params.get("format", 1) <= 2
    return params, arrays


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
