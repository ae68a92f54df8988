"""How decode processes answer: a header in JSON, then the bytes of arrays; nothing that arrives is executed.

A decoder that a file has taken over may send anything, so the receiver allocates only arrays of known types and bounded
sizes, and takes what comes piece by piece: half a message never keeps it waiting. `messages` checks what the header
says. A message is the length of the header (4 bytes, little endian), the header, then each array in C order. In the
header, an array stands as `{"array": [dtype, shape]}`; there are no other JSON objects.
"""

from __future__ import annotations

import json
import math
import os
import select
import struct
import sys
import time
from collections.abc import Callable, Generator, Iterator
from multiprocessing.connection import Connection
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

MAX_HEADER_BYTES = 64 << 20
"""Holds a caption of 1 MB, subtitles of 8 MB and metadata of 1 MB, each of them twice and escaped."""
MAX_ARRAY_BYTES = 2 << 30
"""All arrays of a message: three times an image of 200 million pixels, and less than the memory of a process."""
MAX_DIMENSIONS = 4
DTYPES = {name: np.dtype(name) for name in ("uint8", "float64")}
LENGTH = struct.Struct("<I")
MOST_PARTS = 64
"""Parts in one call of `writev`; Linux and macOS allow 1024."""
CONTINUES_S = 0.02
"""A sender that has begun a message goes on within this time, unless it is busy or broken."""
TURN_S = 0.1
"""Longest time that is spent on a message that does not come to its end."""


class MalformedMessageError(Exception):
    """A decode process sent what no decoder sends."""


def send(connection: Connection, message: object) -> None:
    """Send lists, texts, numbers, booleans, None and arrays, from inside a decode process to its parent."""
    arrays: list[NDArray[Any]] = []

    def described(value: object) -> dict[str, object]:
        if not isinstance(value, np.ndarray):
            raise TypeError(f"a decode process cannot send a {type(value).__name__}")
        arrays.append(np.ascontiguousarray(value))
        return {"array": [value.dtype.name, value.shape]}

    header = json.dumps(message, default=described, allow_nan=False, separators=(",", ":")).encode()
    parts = [memoryview(LENGTH.pack(len(header))), memoryview(header)]
    _write(connection, [*parts, *(array.ravel().view(np.uint8).data for array in arrays)])


class Inbox:
    """Receives messages through a pipe, whole ones only.

    Attributes:
        received_bytes: all that has come so far.
    """

    def __init__(self, connection: Connection) -> None:
        self.received_bytes = 0
        self._connection = connection
        self._arrives = _arrival(connection)
        self._steps = self._message()

    def receive(self) -> Any:
        """Return the next message, or None as long as a part of it is missing.

        Raises:
            MalformedMessageError: what came is no message.
            EOFError, OSError: the other end is closed.
        """
        give_up = time.monotonic() + TURN_S
        while True:
            try:
                next(self._steps)
            except StopIteration as end:
                self._steps = self._message()
                return end.value
            if time.monotonic() > give_up or not self._arrives(CONTINUES_S):
                return None

    def _message(self) -> Generator[None, None, Any]:
        """Read one message; pauses whenever nothing more is there yet."""
        length = bytearray(LENGTH.size)
        yield from self._fill(memoryview(length))
        size = LENGTH.unpack(length)[0]
        if size > MAX_HEADER_BYTES:
            raise MalformedMessageError(f"a header of {size} bytes")
        header = bytearray(size)
        yield from self._fill(memoryview(header))
        message, arrays = parsed(bytes(header))
        for array in arrays:
            yield from self._fill(array.ravel().view(np.uint8).data)
        return message

    def _fill(self, space: memoryview) -> Iterator[None]:
        while len(space):
            if not self._arrives(0.0):
                yield
                continue
            count = _read(self._connection, space)
            if not count:
                raise EOFError
            self.received_bytes += count
            space = space[count:]


def parsed(header: bytes) -> tuple[Any, list[NDArray[Any]]]:
    """Return the message of a header, with empty arrays in it, and these arrays in the order of their bytes.

    Raises:
        MalformedMessageError: it is no valid header.
    """
    arrays: list[NDArray[Any]] = []
    room = MAX_ARRAY_BYTES

    def allocated(value: dict[str, Any]) -> NDArray[Any]:
        nonlocal room
        dtype, shape = _description(value)
        room -= dtype.itemsize * math.prod(shape)
        if room < 0:
            raise MalformedMessageError("arrays that are too large")
        try:
            arrays.append(np.empty(shape, dtype))
        except (MemoryError, ValueError) as error:
            raise MalformedMessageError("arrays that are too large") from error
        return arrays[-1]

    try:
        return json.loads(header.decode(), object_hook=allocated, parse_constant=refuse_constant), arrays
    except (ValueError, RecursionError) as error:
        raise MalformedMessageError("a header that is no JSON") from error


def _description(value: dict[str, Any]) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Return type and shape of an array as a header describes it."""
    described = value.get("array")
    if len(value) != 1 or not isinstance(described, list) or len(described) != 2:
        raise MalformedMessageError("an object that describes no array")
    name, shape = described
    if not isinstance(name, str) or name not in DTYPES or not isinstance(shape, list) or len(shape) > MAX_DIMENSIONS:
        raise MalformedMessageError("an array of an unknown type")
    if not all(type(side) is int and 0 <= side <= MAX_ARRAY_BYTES for side in shape):
        raise MalformedMessageError("an array with impossible sides")
    return DTYPES[name], tuple(shape)


def refuse_constant(constant: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python reads as JSON."""
    raise MalformedMessageError(f"the number {constant}")


if sys.platform == "win32":

    def _arrival(connection: Connection) -> Callable[[float], bool]:
        return connection.poll

    def _write(connection: Connection, parts: list[memoryview]) -> None:
        for part in parts:
            if len(part):
                connection.send_bytes(part)

    def _read(connection: Connection, space: memoryview) -> int:
        """Take the next part, which fits exactly if its sender is sound."""
        part = connection.recv_bytes(len(space))
        space[: len(part)] = part
        return len(part)

else:

    def _arrival(connection: Connection) -> Callable[[float], bool]:
        """Return a function that waits some seconds for bytes; `Connection.poll` takes ten times as long."""
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        return lambda wait_s: bool(poll.poll(1000 * wait_s))

    def _write(connection: Connection, parts: list[memoryview]) -> None:
        """Write all at once, as far as the pipe takes it, so that the receiver wakes up once for a small message."""
        while parts:
            count = os.writev(connection.fileno(), parts[:MOST_PARTS])
            while parts and count >= len(parts[0]):
                count -= len(parts.pop(0))
            if parts:
                parts[0] = parts[0][count:]

    def _read(connection: Connection, space: memoryview) -> int:
        """Take what has arrived, as far as there is space."""
        return os.readv(connection.fileno(), [space])
