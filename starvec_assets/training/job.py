"""A training run as another process is told of it. No torch here."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from starvec_assets.errors import StarvecError
from starvec_assets.training.settings import TrainSettings


@dataclass(frozen=True)
class TrainJob:
    """Arguments of `loop.train` by their files; every rank reads the same job."""

    corpus: str  # folder of user_buckets: the lists and both buckets of the held-out users
    n: int
    settings: dict[str, Any]  # of TrainSettings
    text: str | None  # vectors.npy of readme_init_vectors
    checkpoint: str  # folder
    input_key: str
    out: str  # folder; the first rank writes live.jsonl, in the end vectors.npy, losses.npy, epochs.json; or error.txt
    device: str = "auto"
    require_gpu: bool = False
    precision: str = "auto"
    users: int | None = None  # trained on at most, the first of the corpus; None for all

    def save(self, path: Path) -> None:
        """Write as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @staticmethod
    def load(path: Path) -> "TrainJob":
        """Read what `save` wrote; raises StarvecError for anything else."""
        try:
            job = TrainJob(**json.loads(path.read_text()))
            TrainSettings(**job.settings)
        except (OSError, ValueError, TypeError) as error:
            raise StarvecError(f"the training job {path} cannot be read: {error}") from error
        return job
