"""The compiled module is hardened: guarded stacks, and relocations that are read-only after loading."""

from __future__ import annotations

import platform
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fewbits import _core

FILE = Path(str(_core.__file__)).read_bytes()

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or platform.machine() not in ("x86_64", "aarch64"),
    reason="reads ELF of 64 bits",
)

LOAD, DYNAMIC, GNU_STACK, GNU_RELRO = 1, 2, 0x6474E551, 0x6474E552
FLAGS, FLAGS_1 = 30, 0x6FFFFFFB


def segments() -> dict[int, tuple[int, int, int]]:
    """Type to (flags, offset in the file, size) of the program headers."""
    first, size, count = struct.unpack_from("<Q14xHH", FILE, 32)
    found = {}
    for i in range(count):
        kind, flags, offset, _, _, bytes_in_file = struct.unpack_from("<IIQQQQ", FILE, first + i * size)
        found[kind] = (flags, offset, bytes_in_file)
    return found


def dynamic() -> Iterator[tuple[int, int]]:
    _, offset, size = segments()[DYNAMIC]
    for at in range(offset, offset + size, 16):
        yield struct.unpack_from("<QQ", FILE, at)


def test_relocations_are_bound_at_load_and_then_read_only() -> None:
    entries = dict(dynamic())
    assert entries.get(FLAGS, 0) & 8 or entries.get(FLAGS_1, 0) & 1, "BIND_NOW"
    assert GNU_RELRO in segments()


def test_no_segment_is_both_writable_and_executable() -> None:
    assert GNU_STACK in segments()
    assert not any(flags & 3 == 3 for flags, _, _ in segments().values())


def test_stacks_are_guarded() -> None:
    assert b"__stack_chk_fail" in FILE
