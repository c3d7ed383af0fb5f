"""A training run as arguments of another process. No torch here."""

from pathlib import Path

from pydantic import ValidationError

from starvec_assets.config_base import Settings
from starvec_assets.errors import StarvecError
from starvec_assets.training.device import DeviceChoice, Precision
from starvec_assets.training.settings import TrainSettings


class TrainJob(Settings):
    """Arguments of `trainer.train` as files; every rank reads the same job."""

    corpus: Path  # folder of user_buckets
    settings: TrainSettings
    text: Path | None  # folder of readme_init_vectors
    checkpoint: Path  # folder
    input_key: str
    out: Path  # folder; the main rank writes live.jsonl, then vectors.npy, losses.npy and epochs.json, or error.txt
    device: DeviceChoice = "auto"
    require_gpu: bool = False
    precision: Precision = "auto"
    users: int | None = None  # train on the first this many of the corpus; None for all

    def save(self, path: Path) -> None:
        """Write as JSON."""
        path.write_text(self.model_dump_json(indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> "TrainJob":
        """Read what `save` wrote; raises StarvecError for anything else."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise StarvecError(f"the training job {path} cannot be read: {error}") from error
