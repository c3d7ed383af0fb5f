"""A training run as arguments of another process. No torch here."""

from pathlib import Path

from pydantic import ValidationError

from starvec_assets.config_base import Settings
from starvec_assets.errors import StarvecError
from starvec_assets.training.device import DeviceChoice, Precision
from starvec_assets.training.settings import TrainSettings


class TrainInputs(Settings):
    """Input files, a key of their contents, and the device."""

    corpus: Path  # folder of user_buckets
    text: Path | None  # folder of readme_init_vectors
    input_key: str
    users: int | None = None  # train on the first this many of the corpus; None for all
    device: DeviceChoice = "auto"
    require_gpu: bool = False
    precision: Precision = "auto"


class TrainJob(TrainInputs):
    """Arguments of `trainer.train` as files; every rank reads the same job."""

    settings: TrainSettings
    checkpoint: Path  # folder
    out: Path  # folder; the main rank writes live.jsonl, then {vectors,losses,start}.npy and epochs.json, or error.txt

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
