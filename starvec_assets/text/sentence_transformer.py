"""Text encoder with a sentence-transformers model, by default Qwen3-Embedding."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from starvec_assets.errors import StarvecError
from starvec_assets.files import atomic_path, sha256
from starvec_assets.progress import bar
from starvec_assets.vectors import Matrix, unit_rows

Half = npt.NDArray[np.float16]

MODEL = "Qwen/Qwen3-Embedding-0.6B"
MATRYOSHKA_MODELS = {f"Qwen/Qwen3-Embedding-{size}" for size in ("0.6B", "4B", "8B")}
MAX_TOKENS = 1_024  # enough for a document: 4,000 characters of README and the fields before it


@dataclass(frozen=True)
class SentenceTransformerEncoder:
    """Encoder by a sentence-transformers model.

    `model` is a name on Hugging Face or a folder; `revision` pins a commit of it. Only safetensors weights are read,
    and no code of a model's repository runs. Each batch is stored in `cache`, so that an interrupted run loses one
    batch and a later run encodes new texts only.
    """

    name: str
    cache: Path
    model: str
    revision: str | None = None
    matryoshka: bool = False
    extra: str = "qwen"  # the extra of starvec that installs what it needs
    batch_size: int = 32
    device: str = "cpu"

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Return unit rows, float32 [texts, width of the model]; zero rows for empty texts.

        Raises StarvecError when sentence-transformers or the model is unavailable.
        """
        model = self._load()
        width = model.get_embedding_dimension()
        cache = EmbeddingCache(self.cache / _digest(f"{self.name} {_weights_version(self.model, model)}").hex(), width)
        keys = [_digest(text) for text in texts]
        new = {key: text for key, text in zip(keys, texts, strict=True) if text.strip() and key not in cache}
        # Batches of similar lengths need little padding; longest first, so that a lack of memory shows at once.
        by_length = sorted(new, key=lambda key: len(new[key]), reverse=True)
        with bar(len(by_length), f"encode on {self.device}", "text") as progress:
            for start in range(0, len(by_length), self.batch_size):
                batch = by_length[start : start + self.batch_size]
                raw = model.encode([new[key] for key in batch], batch_size=self.batch_size, show_progress_bar=False)
                cache.add(batch, unit_rows(raw).astype(np.float16))
                progress.update(len(batch))
        cache.merge()
        vectors = np.zeros((len(texts), width), np.float32)
        for i, key in enumerate(keys):
            if key in cache:
                vectors[i] = cache[key]
        return unit_rows(vectors)

    def _load(self) -> Any:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise StarvecError(
                f"{self.name} needs sentence-transformers: pip install 'starvec[{self.extra}]', or choose tfidf"
            ) from error
        try:
            model = SentenceTransformer(
                self.model,
                device=self.device,
                revision=self.revision,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise StarvecError(
                f"the model {self.name} could not be loaded: {error}. Is there a network? Are its weights safetensors?"
            ) from error
        model.max_seq_length = min(model.max_seq_length or MAX_TOKENS, MAX_TOKENS)
        return model.float() if self.device == "cpu" else model  # CPUs are slow at half precision


def qwen3(cache: Path, model: str, revision: str, batch_size: int, device: str) -> SentenceTransformerEncoder:
    """Return the encoder of a model of Hugging Face, or of a folder; an empty revision takes the newest."""
    return SentenceTransformerEncoder(
        name=f"{model}@{revision or 'newest'}",
        cache=cache,
        model=model,
        revision=revision or None,
        matryoshka=model in MATRYOSHKA_MODELS,
        batch_size=batch_size,
        device=device,
    )


class EmbeddingCache(dict[bytes, Half]):
    """Vectors, float16, by the digest of their text, stored atomically as one file per batch until `merge`."""

    def __init__(self, folder: Path, dim: int) -> None:
        self._folder = folder
        self._row = np.dtype([("text", "u1", 16), ("vector", "<f2", dim)])
        self._files: list[Path] = []
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.glob("*.npy")):
            try:
                rows = np.load(path, allow_pickle=False)
            except (OSError, ValueError, EOFError):
                rows = np.empty(0)
            if rows.dtype == self._row and np.isfinite(rows["vector"]).all():
                self.update(zip(map(bytes, rows["text"]), rows["vector"], strict=True))
            self._files.append(path)  # including damaged ones, so that `merge` removes them

    def add(self, keys: Sequence[bytes], vectors: Half) -> None:
        """Store a batch on disk."""
        self.update(zip(keys, vectors, strict=True))
        self._files.append(self._write(keys, vectors))

    def merge(self) -> None:
        """Replace the files of all batches by one."""
        if len(self._files) > 1 and self:
            merged = self._write(list(self), np.stack(list(self.values())))
            for path in self._files:
                if path != merged:
                    path.unlink(missing_ok=True)
            self._files = [merged]

    def _write(self, keys: Sequence[bytes], vectors: Half) -> Path:
        rows = np.empty(len(keys), self._row)
        rows["text"] = np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 16)
        rows["vector"] = vectors
        path = self._folder / f"{_digest(b''.join(sorted(keys)).hex()).hex()}.npy"
        with atomic_path(path) as aside, aside.open("wb") as file:
            np.save(file, rows)
        return path


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]


def _weights_version(name: str, model: Any) -> str:
    """Return the commit of the loaded model or, for a folder, the digest of its files."""
    folder = Path(name)
    return folder_digest(folder) if folder.is_dir() else str(getattr(model[0].auto_model.config, "_commit_hash", None))


def folder_digest(folder: Path) -> str:
    """Return the hexadecimal SHA-256 of the names and digests of all files in a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(bytes.fromhex(sha256(path)))
    return digest.hexdigest()
