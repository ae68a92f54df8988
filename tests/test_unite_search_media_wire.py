"""Messages of decode processes: what is sent arrives, and nothing that arrives harms the receiver."""

from __future__ import annotations

import json
import os
import pickle
import struct
from collections.abc import Iterator
from datetime import datetime
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unite_search.content import Clip, Content, Image
from unite_search.errors import UniteSearchError, UnreadableFileError
from unite_search.media.messages import (
    Completed,
    Hashed,
    Message,
    read,
    read_outcome,
    return_type,
    written,
    written_outcome,
)
from unite_search.media.types import Cut, Draft, Facts, Hashes, MediaFile, Skipped
from unite_search.media.wire import Inbox, MalformedMessageError, parsed, send

FILE = MediaFile(path=Path("/a.mp4"), modality="video", size_bytes=1, mtime_ns=1)
PIXELS = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
CLIP = Clip(frames=np.arange(96, dtype=np.uint8).reshape(4, 2, 4, 3), times_s=np.arange(4.0))
DIGEST = "0123456789abcdef" * 2


class Pair(NamedTuple):
    part: Image | Clip
    preview: bytes


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.path,)


def made_pair() -> Pair:
    return Pair(CLIP, b"jpeg")


def nothing() -> None:
    pass


@pytest.fixture
def pipe() -> Iterator[tuple[Connection, Connection]]:
    ours, theirs = Pipe()
    with ours, theirs:
        yield ours, theirs


def carried(message: object) -> Any:
    """What arrives when a message is sent through a pipe."""
    ours, theirs = Pipe()
    with ours, theirs:
        Thread(target=send, args=(theirs, message), daemon=True).start()
        inbox = Inbox(ours)
        while True:
            ours.poll(None)
            if (received := inbox.receive()) is not None:
                return received


def frame(header: object) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<I", len(text)) + text


MESSAGES: list[Message] = [
    Hashed(Hashes(DIGEST)),
    Facts(
        width=3, height=2, duration_s=1.5, taken_at=datetime(2020, 2, 29, 1, 2, 3), metadata={"array": [1, {"a": None}]}
    ),
    Facts(),
    Draft(content=Content(("ein Text \U0001f600",)), text="ein Text \U0001f600"),
    Draft(content=Content(("caption", Image(PIXELS))), text="caption", phash=0),
    Draft(content=Content((CLIP,)), start_s=0.0, end_s=1.5, phash=(1 << 63) - 1),
    Cut(path=FILE.path, reason="more than 3 items"),
    Completed(),
    Skipped(path=FILE.path, reason="empty file"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_every_message_arrives_as_it_was_sent(message: Message) -> None:
    received = read(carried(written(message)), FILE)
    if not isinstance(message, Draft):
        assert received == message
        return
    assert isinstance(received, Draft)
    assert (received.text, received.start_s, received.end_s) == (message.text, message.start_s, message.end_s)
    assert received.phash == message.phash
    for part, sent in zip(received.content.parts, message.content.parts, strict=True):
        if isinstance(sent, Image):
            assert isinstance(part, Image)
            assert np.array_equal(part.pixels, sent.pixels)
        elif isinstance(sent, Clip):
            assert isinstance(part, Clip)
            assert np.array_equal(part.frames, sent.frames)
            assert np.array_equal(part.times_s, sent.times_s)
        else:
            assert part == sent


def test_large_arrays_and_views_arrive_whole() -> None:
    large = np.random.default_rng(0).integers(0, 255, (5, 300, 400, 3), dtype=np.uint8)
    for sent in (large, large[::2, ::-1], large[:0], np.asfortranarray(large)):
        assert np.array_equal(carried([sent])[0], sent)


@pytest.mark.parametrize("value", [None, True, 3, 2.5, "text", b"\0bytes", Image(PIXELS), CLIP])
def test_values_of_calls_keep_their_types(value: object) -> None:
    error, received = read_outcome(carried(written_outcome(value)), type(value))
    assert error is None
    assert type(received) is type(value)
    if isinstance(value, (type(None), bool, int, float, str, bytes)):
        assert received == value


def test_a_named_tuple_comes_back_as_what_the_function_returns() -> None:
    _, pair = read_outcome(carried(written_outcome(made_pair())), return_type(made_pair))
    assert isinstance(pair, Pair)
    assert isinstance(pair.part, Clip)
    assert pair.preview == b"jpeg"
    assert return_type(nothing) is type(None)


def test_errors_of_calls_keep_their_kind() -> None:
    for given_error in (UnreadableFileError("empty file"), UniteSearchError("not importable")):
        error, _ = read_outcome(carried(written_outcome(given_error)), bytes)
        assert type(error) is type(given_error)
        assert str(error) == str(given_error)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (["value", 3], bytes),
        (["value", True], int),
        (["value", ["image", PIXELS]], Clip),
        (["value", [["image", PIXELS]]], Pair),
        (["value", {"a": 1}], str),
        (["ok", 3], int),
        (["value"], int),
        ("value", str),
        (["error", 3], int),
        ([["value"], 3], int),
    ],
)
def test_an_answer_of_another_type_is_refused(answer: Any, expected: type[Any]) -> None:
    with pytest.raises(MalformedMessageError):
        read_outcome(answer, expected)


LONE = "\ud800"
DEEP: Any = json.dumps({"a": json.loads("[" * 60 + "]" * 60)})


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        ["unknown"],
        [["draft"]],
        ["hashed", "../../etc"],
        ["hashed"],
        ["completed", 1],
        ["skipped", None],
        ["cut", 3],
        ["facts", 0, 2, 1.0, None, "{}"],
        ["facts", True, 2, 1.0, None, "{}"],
        ["facts", 2**40, 2, 1.0, None, "{}"],
        ["facts", 1, 1, 10**400, None, "{}"],
        ["facts", 1, 1, 1.0, "yesterday", "{}"],
        ["facts", 1, 1, 1.0, None, "[]"],
        ["facts", 1, 1, 1.0, None, '{"a": NaN}'],
        ["facts", 1, 1, 1.0, None, '{"a": 1e999}'],
        ["facts", 1, 1, 1.0, None, '{"a": "\\ud800"}'],
        ["facts", 1, 1, 1.0, None, DEEP],
        ["facts", 1, 1, 1.0, None, {}],
        ["draft", [], None, None, None, None],
        ["draft", ["a"] * 17, None, None, None, None],
        ["draft", [LONE], None, None, None, None],
        ["draft", ["a"], None, None, LONE, None],
        ["draft", ["a"], "0", None, None, None],
        ["draft", [3], None, None, None, None],
        ["draft", [["image", "no array"]], None, None, None, None],
        ["draft", [["image", PIXELS, PIXELS]], None, None, None, None],
        ["draft", [["image", PIXELS.astype(np.float64)]], None, None, None, None],
        ["draft", [["image", PIXELS[:0]]], None, None, None, None],
        ["draft", [["image", PIXELS[0]]], None, None, None, None],
        ["draft", [["image", PIXELS[:, :, :1]]], None, None, None, None],
        ["draft", [["film", PIXELS]], None, None, None, None],
        ["draft", [["clip", CLIP.frames, CLIP.times_s[1:]]], None, None, None, None],
        ["draft", [["clip", CLIP.frames, CLIP.times_s * np.nan]], None, None, None, None],
        ["draft", [["clip", PIXELS, CLIP.times_s[:2]]], None, None, None, None],
        ["draft", ["a"], None, None, None, 1.0],
        ["draft", ["a"], None, None, None, True],
        ["draft", ["a"], None, None, None, 1 << 63],
    ],
    ids=repr,
)
def test_data_that_are_no_message_are_refused(data: Any) -> None:
    with pytest.raises(MalformedMessageError):
        read(data, FILE)


@pytest.mark.parametrize(
    "header",
    [
        b"no json",
        b"\xff\xfe",
        b"[NaN]",
        b"[" * 100_000,
        b"[" + b"9" * 5000 + b"]",
        {"a": 1},
        {"array": ["object", [1]]},
        {"array": ["uint8", [-1]]},
        {"array": ["uint8", [1 << 40]]},
        {"array": ["float64", [1 << 20, 1 << 20]]},
        {"array": ["uint8", [True]]},
        {"array": ["uint8", [1] * 5]},
        {"array": ["uint8", "1"]},
        {"array": ["uint8", [1]], "more": 1},
        [{"array": ["uint8", [1 << 30]]}, {"array": ["uint8", [1 << 30]]}, {"array": ["uint8", [1]]}],
    ],
    ids=lambda header: repr(header)[:30],
)
def test_headers_that_are_none_are_refused(pipe: tuple[Connection, Connection], header: object) -> None:
    ours, theirs = pipe
    os.write(theirs.fileno(), frame(header)[: 1 << 17])
    if isinstance(header, bytes) and len(header) > 1 << 16:
        with pytest.raises(MalformedMessageError):
            parsed(header)
        return
    with pytest.raises(MalformedMessageError):
        Inbox(ours).receive()


def test_a_pickle_is_not_loaded(pipe: tuple[Connection, Connection], tmp_path: Path) -> None:
    ours, theirs = pipe
    bomb = pickle.dumps(Bomb(tmp_path / "loaded"))
    theirs.send(Bomb(tmp_path / "loaded"))
    os.write(theirs.fileno(), frame(bomb))
    with pytest.raises(MalformedMessageError):
        for _ in range(3):
            Inbox(ours).receive()
    assert not (tmp_path / "loaded").exists()
    pickle.loads(bomb)
    assert (tmp_path / "loaded").exists()


def test_half_a_message_does_not_keep_the_receiver_waiting(pipe: tuple[Connection, Connection]) -> None:
    ours, theirs = pipe
    whole = frame(["completed", {"array": ["uint8", [4]]}]) + b"1234"
    inbox = Inbox(ours)
    for number in range(len(whole) - 1):
        os.write(theirs.fileno(), whole[number : number + 1])
        assert inbox.receive() is None
        assert inbox.received_bytes == number + 1
    os.write(theirs.fileno(), whole[-1:])
    assert inbox.receive()[1].tobytes() == b"1234"


def test_the_end_of_the_sender_is_an_end(pipe: tuple[Connection, Connection]) -> None:
    ours, theirs = pipe
    os.write(theirs.fileno(), frame(["completed"])[:7])
    theirs.close()
    with pytest.raises(EOFError):
        Inbox(ours).receive()


def test_what_cannot_be_sent_is_an_error_of_the_sender(pipe: tuple[Connection, Connection]) -> None:
    with pytest.raises(TypeError, match="cannot send a PosixPath"):
        send(pipe[1], [Path("a")])


LEAVES = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5) | st.just(PIXELS)
NAMES = st.sampled_from(["hashed", "facts", "draft", "cut", "completed", "skipped", "image", "clip"])
ANYTHING = st.recursive(LEAVES | NAMES, lambda inner: st.lists(inner, max_size=6), max_leaves=12)


@given(NAMES, st.lists(ANYTHING, max_size=6))
def test_any_data_are_a_message_or_refused(name: str, fields: list[Any]) -> None:
    try:
        message = read([name, *fields], FILE)
    except MalformedMessageError:
        return
    assert isinstance(message, (Hashed, Facts, Draft, Cut, Completed, Skipped))


@settings(max_examples=200)
@given(st.binary(max_size=80))
def test_any_bytes_are_a_message_or_refused(sent: bytes) -> None:
    ours, theirs = Pipe()
    with ours:
        os.write(theirs.fileno(), sent)
        theirs.close()
        inbox = Inbox(ours)
        try:
            while True:
                inbox.receive()
        except (MalformedMessageError, EOFError):
            pass
    assert inbox.received_bytes <= len(sent)
