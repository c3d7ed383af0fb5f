from pathlib import Path

import pytest

from starvec_assets.defs.resources import TextEncoderResource
from starvec_assets.text.encoders import SideBySideEncoder, TfidfSvdEncoder
from starvec_assets.text.sentence_transformer import SentenceTransformerEncoder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STARVEC_HOME", str(tmp_path))
    return tmp_path


def test_default_runs_no_model() -> None:
    resource = TextEncoderResource()
    assert isinstance(resource.open("cpu"), TfidfSvdEncoder)
    assert not resource.runs_a_model


def test_model_runs_on_the_device_and_keeps_its_vectors_in_the_home(home: Path) -> None:
    resource = TextEncoderResource(encoder="qwen3", model="some/model", revision="abc", batch_size=7)
    assert resource.runs_a_model
    encoder = resource.open("cuda")
    assert encoder == SentenceTransformerEncoder(
        "some/model@abc", home / "cache" / "text", "some/model", "abc", batch_size=7, device="cuda"
    )


def test_plus_puts_encoders_side_by_side() -> None:
    resource = TextEncoderResource(encoder="tfidf+qwen3", model="some/model")
    encoder = resource.open("cpu")
    assert isinstance(encoder, SideBySideEncoder)
    assert encoder.name == "tfidf-svd 512 seed 0 + some/model@newest"
    assert not encoder.matryoshka
    assert resource.runs_a_model
