"""Blocks: every byte once, in order, and no line in two of them."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recover_trials import read_trials
from recover_trials.files import blocks

LINES = st.lists(st.binary(max_size=40), max_size=30)
RESULT = (
    b"[I 2026-11-21 10:15:00,123] Trial %d finished with value: 0.5 and parameters: {'a': 1}."
    b" Best is trial 0 with value: 0.5.\n"
)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(lines=LINES, block=st.integers(1, 60), line=st.integers(1, 50), skip=st.integers(0, 20))
def test_a_file_is_given_whole_in_blocks_that_end_with_a_line(
    end: bytes, lines: list[bytes], block: int, line: int, skip: int, tmp_path: Path
) -> None:
    content = end.join(lines)
    path = tmp_path / "log"
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch, io.FileIO(path) as file:
        patch.setattr(blocks, "BLOCK", block)
        patch.setattr(blocks, "LINE", line)
        file.seek(min(skip, len(content)))
        blocks_read = list(blocks.whole_lines(blocks.file_chunks(file)))
    assert b"".join(blocks_read) == content[skip:]
    assert all(part.endswith((b"\n", b"\r")) for part in blocks_read[:-1])


def test_a_chunk_that_ends_with_a_line_is_not_copied() -> None:
    chunks = [b"one\ntwo\n", b"three\n"]
    assert [id(block) for block in blocks.whole_lines(chunks)] == [*map(id, chunks)]


def test_chunks_of_a_file_end_with_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"".join(RESULT % number for number in range(20_000)))
    with io.FileIO(path) as file:
        chunks = list(blocks.file_chunks(file))
    assert len(chunks) > 3
    assert all(chunk.endswith(b"\n") for chunk in chunks)
    assert b"".join(chunks) == path.read_bytes()


def test_a_pipe_is_read_like_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    content = b"".join(RESULT % number for number in range(5000))
    write = f"open({str(pipe)!r}, 'wb').write(open({str(tmp_path / 'log')!r}, 'rb').read())"
    (tmp_path / "log").write_bytes(content)
    with subprocess.Popen([sys.executable, "-c", write]):
        (study,) = read_trials([pipe]).studies
    assert [*study.trials] == [*range(5000)]
