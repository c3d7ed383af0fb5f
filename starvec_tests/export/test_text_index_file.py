"""The page's files of the text index: every number survives, equal indexes give equal bytes, others are refused."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.export.text_index_file import WORDS_INDEX, WORDS_TEXT, varints, write_text_index
from starvec_assets.text_search.build import IndexSettings, build_text_index
from starvec_assets.text_search.index import TextIndex

ROWS, D, TEXT_D = 400, 16, 32


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An index of texts of random words, the first of them far apart or up to 300 times in a text."""
    rng = np.random.default_rng(0)
    texts = [[f"word{i}" for i in rng.zipf(1.5, 12) if i < 90] + ["many"] * int(rng.integers(400)) for _ in range(ROWS)]
    texts[0].append("rare")
    texts[-1] += ["rare", "rare"]
    vectors, text = (rng.standard_normal((ROWS, d)).astype(np.float32) for d in (D, TEXT_D))
    index = build_text_index(texts, vectors, text, IndexSettings(min_texts=2, min_texts_of_vectors=5))
    folder = tmp_path / "index"
    folder.mkdir()
    index.save(folder)
    return folder


def sections(path: Path) -> tuple[dict[str, Any], bytes]:
    line, _, body = gzip.decompress(path.read_bytes()).partition(b"\n")
    assert (len(line) + 1) % 4 == 0
    return json.loads(line), body


def read_varints(data: bytes) -> list[int]:
    numbers, number, shift = [], 0, 0
    for byte in data:
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(number)
            number = shift = 0
    assert shift == 0
    return numbers


def test_every_number_of_the_index_is_in_the_files(folder: Path, tmp_path: Path):
    index = TextIndex.load(folder)
    assert write_text_index(folder, ROWS, D, TEXT_D, tmp_path) == len(index.words)
    header, body = sections(tmp_path / WORDS_INDEX)
    assert header["weights"] == index.weights.model_dump()
    placed = index.scales > 0
    assert 0 < placed.sum() < len(placed), "a word of few texts has no vector"
    for expected in (
        index.scales.astype("<f4"),
        np.diff(index.offsets).astype("<u4"),
        index.lengths.astype("<u2"),
        index.vectors[placed],
        np.frombuffer("\n".join(index.words).encode(), np.uint8),
    ):
        assert body[: expected.nbytes] == expected.tobytes()
        body = body[expected.nbytes :]
    numbers = iter(read_varints(body))
    for word in range(len(index.words)):
        row = -1
        for at in range(index.offsets[word], index.offsets[word + 1]):
            number = next(numbers)
            row += number // 2 + 1
            assert row == index.documents[at]
            assert index.counts[at] == (next(numbers) if number % 2 else 1)
    assert next(numbers, None) is None
    assert {1, 255} < set(index.counts.tolist())
    header, body = sections(tmp_path / WORDS_TEXT)
    assert header == {"format": 1, "words": len(index.words), "d": TEXT_D}
    assert body == index.text_scales.astype("<f4").tobytes() + index.text_vectors[index.text_scales > 0].tobytes()


def test_equal_indexes_give_equal_bytes(folder: Path, tmp_path: Path):
    written = []
    for _ in range(2):
        write_text_index(folder, ROWS, D, TEXT_D, tmp_path)
        written.append([(tmp_path / name).read_bytes() for name in (WORDS_INDEX, WORDS_TEXT)])
    assert written[0] == written[1]


@pytest.mark.parametrize("shape", [(ROWS + 1, D, TEXT_D), (ROWS, 2 * D, TEXT_D), (ROWS, D, D)], ids=str)
def test_an_index_of_another_export_is_refused(shape: tuple[int, int, int], folder: Path, tmp_path: Path):
    with pytest.raises(StarvecError, match=r"text_index has .*\(400, 16, 32\), fp16_export .*materialize both again"):
        write_text_index(folder, *shape, tmp_path)


def test_varints_of_every_length():
    numbers = [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 2**28 - 1]
    encoded = varints(np.array(numbers))
    assert read_varints(encoded) == numbers
    assert len(encoded) == 3 * 1 + 2 * 2 + 2 * 3 + 2 * 4
