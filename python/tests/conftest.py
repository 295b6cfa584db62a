# SPDX-License-Identifier: Apache-2.0
"""Guests of a few instructions, as multiboot images of 32-bit code."""

import pathlib
import struct

import pytest

BASE = 0x100000


def multiboot(code: bytes) -> bytes:
    """A flat image at 1 MiB with the address fields of multiboot 1; the code follows the header."""
    magic, flags = 0x1BADB002, 0x10000
    header = struct.pack("<3I", magic, flags, -(magic + flags) & 0xFFFFFFFF)
    entry = BASE + 32
    return header + struct.pack("<5I", BASE, BASE, 0, 0, entry) + code


def say(text: bytes) -> bytes:
    """mov dx, 0x3f8; mov al, character; out dx, al ..."""
    return b"\x66\xba\xf8\x03" + b"".join(b"\xb0" + bytes([c]) + b"\xee" for c in text)


def leave(value: int) -> bytes:
    """mov al, value; out 0xf4, al"""
    return b"\xb0" + bytes([value]) + b"\xe6\xf4"


@pytest.fixture
def image(tmp_path: pathlib.Path):
    def make(code: bytes) -> pathlib.Path:
        path = tmp_path / "guest.bin"
        path.write_bytes(multiboot(code))
        return path

    return make
