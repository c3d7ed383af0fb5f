import builtins
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_models import TEXTS, save_sentence_model

from starvec_assets.errors import StarvecError
from starvec_assets.text.sentence_transformer import MODEL, EmbeddingCache, SentenceTransformerEncoder, qwen3
from starvec_assets.vectors import unit_rows


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen3 of one layer, 48 components wide."""
    pytest.importorskip("sentence_transformers", reason="the extra starvec[qwen] is not installed")
    from transformers import Qwen3Config, Qwen3Model

    config = Qwen3Config(
        vocab_size=99,
        hidden_size=48,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=64,
    )
    return save_sentence_model(Qwen3Model, config, "lasttoken", "left", tmp_path_factory.mktemp("model"))


def encoder(model: Path, cache: Path, **options: Any) -> SentenceTransformerEncoder:
    return SentenceTransformerEncoder("tiny", cache, str(model), **({"batch_size": 2} | options))


def test_vectors_are_those_of_the_library_normalized(tiny_model: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    vectors = encoder(tiny_model, tmp_path).encode(TEXTS)
    whole = SentenceTransformer(str(tiny_model), device="cpu").encode([text for text in TEXTS if text])
    assert (vectors.dtype, vectors.shape) == (np.float32, (5, 48))
    assert np.allclose(vectors[[0, 1, 3, 4]], unit_rows(whole), atol=1e-3)
    assert np.allclose(np.linalg.norm(vectors, axis=1), [1, 1, 0, 1, 1], atol=1e-6)


class Killed(BaseException):
    """Simulates a kill: no handler of Exception catches it."""


def count_encoded(monkeypatch: pytest.MonkeyPatch, kill_after: int = 1 << 30) -> list[str]:
    from sentence_transformers import SentenceTransformer

    done: list[str] = []
    original = SentenceTransformer.encode

    def encode(self: Any, texts: Sequence[str], **options: Any) -> Any:
        if len(done) >= kill_after:
            raise Killed
        done.extend(texts)
        return original(self, texts, **options)

    monkeypatch.setattr(SentenceTransformer, "encode", encode)
    return done


def test_killed_run_resumes_after_its_last_batch(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = encoder(tiny_model, tmp_path / "other").encode(TEXTS)
    with monkeypatch.context() as patch:
        first = count_encoded(patch, kill_after=2)
        with pytest.raises(Killed):
            encoder(tiny_model, tmp_path / "cache").encode(TEXTS)
    with monkeypatch.context() as patch:
        second = count_encoded(patch)
        resumed = encoder(tiny_model, tmp_path / "cache").encode(TEXTS)
    assert len(first) == len(second) == 2
    assert sorted(first + second) == sorted(text for text in TEXTS if text)
    assert np.array_equal(resumed, whole)


def test_later_run_encodes_new_texts_only(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = encoder(tiny_model, tmp_path).encode(TEXTS)
    done = count_encoded(monkeypatch)
    after = encoder(tiny_model, tmp_path).encode(["web python", *reversed(TEXTS), "web python"])
    assert done == ["web python"]
    assert np.array_equal(after[1:-1], before[::-1])
    assert np.array_equal(after[0], after[-1])


def test_other_weights_do_not_share_a_cache(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder(tiny_model, tmp_path).encode(TEXTS)
    done = count_encoded(monkeypatch)
    config = tiny_model / "config.json"
    original = config.read_text()
    try:
        config.write_text(json.dumps(json.loads(original) | {"rope_theta": 5.0}))
        encoder(tiny_model, tmp_path).encode(TEXTS)
    finally:
        config.write_text(original)
    assert len(done) == 4


def test_pickled_weights_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    import shutil

    import torch
    from safetensors.torch import load_file

    folder = tmp_path / "pickled"
    shutil.copytree(tiny_model, folder)
    weights = folder / "model.safetensors"
    torch.save(load_file(weights), folder / "pytorch_model.bin")
    weights.unlink()
    with pytest.raises(StarvecError, match="could not be loaded"):
        encoder(folder, tmp_path / "cache").encode(TEXTS)


def test_missing_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, *rest: Any, **options: Any) -> Any:
        if name.startswith("sentence_transformers"):
            raise ImportError(name)
        return original(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(StarvecError, match=r"pip install 'starvec\[qwen\]'"):
        qwen3(tmp_path, MODEL, "", batch_size=2, device="cpu").encode(TEXTS)


def test_models_are_cut_only_if_their_card_says_that_they_may_be(tmp_path: Path) -> None:
    assert qwen3(tmp_path, MODEL, "abc", 2, "cpu").matryoshka
    assert not qwen3(tmp_path, "BAAI/bge-small-en-v1.5", "", 2, "cpu").matryoshka
    assert not encoder(tmp_path, tmp_path).matryoshka


def test_name_tells_model_and_revision(tmp_path: Path) -> None:
    assert qwen3(tmp_path, "a/model", "abc", 2, "cpu").name == "a/model@abc"
    assert qwen3(tmp_path, "a/model", "", 2, "cpu").name == "a/model@newest"


def test_cache_drops_damaged_files_only(tmp_path: Path) -> None:
    keys = [bytes([i]) * 16 for i in range(4)]
    vectors = np.arange(8, dtype=np.float16).reshape(4, 2)
    cache = EmbeddingCache(tmp_path, 2)
    cache.add(keys[:2], vectors[:2])
    cache.add(keys[2:], vectors[2:])
    damaged = sorted(tmp_path.glob("*.npy"))[0]
    damaged.write_bytes(damaged.read_bytes()[:-1])
    again = EmbeddingCache(tmp_path, 2)
    intact = [key for key in keys if key in again]
    assert intact in (keys[:2], keys[2:])
    again.merge()
    assert len(list(tmp_path.iterdir())) == 1
    merged = EmbeddingCache(tmp_path, 2)
    assert [merged[key].tolist() for key in intact] == [vectors[keys.index(key)].tolist() for key in intact]
