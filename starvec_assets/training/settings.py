"""Hyperparameters of training. No torch here: definitions read this module."""

from typing import Literal

from pydantic import Field, model_validator

from starvec_assets.config_base import Settings
from starvec_assets.errors import StarvecError


class TrainSettings(Settings):
    """One training run; docs/training.md says what each field does and what was tried beside its default."""

    dim: int = Field(128, ge=2, le=1024, description="dimensions of a vector")
    start: Literal["spectral", "ppmi", "text", "random", "text+spectral"] = Field(
        "text+spectral", description="where the vectors start; the two with text need readme_init_vectors"
    )
    text_weight: float = Field(0.5, gt=0, lt=1, description="share of the text in the start text+spectral")
    loss: Literal["item_softmax", "ntxent", "multi_similarity"] = Field(
        "item_softmax", description="bucket A against each star of bucket B, or bucket against bucket by the other two"
    )
    bucket_weight: float = Field(0.3, ge=0, le=100, description="weight of ntxent between buckets beside item_softmax")
    neighbours: int = Field(
        64, ge=0, le=1024, description="most co-starred repositories of each that are pulled to it; 0 = no such loss"
    )
    text_likeness: float = Field(
        1.0,
        ge=0,
        le=100,
        description="in a start with text: weight of its likeness beside co-starring in choosing them",
    )
    neighbour_power: float = Field(3.0, ge=0.1, le=10, description="they are drawn by this power of their weight")
    neighbour_weight: float = Field(1.5, gt=0, le=100, description="weight of that loss beside the others")
    neighbour_batch: int = Field(512, ge=2, le=1 << 17, description="repositories a step in it")
    neighbour_draws: int = Field(8, ge=1, le=64, description="neighbours that are drawn for each of them")
    temperature: float = Field(0.1, ge=0.03, le=2, description="of the softmaxes: lower looks harder at the nearest")
    popularity: float = Field(
        1.0,
        ge=0,
        le=2,
        description="of item_softmax: negatives count popularity^-this, 1 undoes that they are drawn by it",
    )
    alpha: float = Field(2.0, ge=0.1, le=40, description="of multi_similarity: sharpness for positives")
    beta: float = Field(50.0, ge=1, le=80, description="of multi_similarity: sharpness for negatives")
    base: float = Field(0.5, ge=-1, le=1, description="of multi_similarity: cosine that parts near from far")
    miner: Literal["none", "multi_similarity", "hard"] = Field(
        "none", description="pairs that count: all, MultiSimilarityMiner's, or each anchor's hardest negative"
    )
    memory: int = Field(
        0, ge=0, le=1 << 18, description="buckets that CrossBatchMemory keeps as negatives; 0 = without"
    )
    split: Literal["random", "window"] = Field(
        "random", description="buckets from the whole list, or from stars in a row at a random place of it"
    )
    bucket_a: int = Field(64, ge=1, le=100_000, description="stars of bucket A at most: of those that B leaves")
    bucket_b: int = Field(8, ge=1, le=100_000, description="stars of bucket B at most: no more than half of a list")
    pooled: int = Field(2, ge=1, le=16, description="users whose buckets are made one: a person of more interests")
    batch: int = Field(1024, ge=4, le=1 << 17, description="users a step; each one's negatives are all the others")
    epochs: int = Field(8, ge=0, le=1000, description="passes over the users at most; the best one is kept")
    patience: int = Field(2, ge=1, le=1000, description="epochs without a better held-out score before stopping")
    optimiser: Literal["adam", "adagrad"] = Field("adam", description="both keep one second moment a row")
    lr: float = Field(0.005, gt=0, le=10, description="learning rate; it falls in a line to zero at the last epoch")
    anchor: float = Field(
        0.0, ge=0, le=1000, description="pull of a row to its start, times lr, whenever it is touched"
    )
    mean_removal: float = Field(
        0.6, ge=0, le=1, description="share of the mean vector that is taken out of all at the end: people differ more"
    )
    seed: int = Field(1, ge=0, lt=1 << 32, description="draws the start, the order of users and the buckets")
    checkpoint_minutes: float = Field(
        10.0, gt=0, le=1440, description="between checkpoints inside an epoch; each epoch's end writes one as well"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "TrainSettings":
        if self.pooled > self.batch // 2:
            raise StarvecError(
                f"pooled is {self.pooled} but batch is {self.batch}: two people at least must be told apart, "
                f"set pooled to {self.batch // 2} or less"
            )
        buckets = 2 * -(-self.batch // self.pooled)
        if 0 < self.memory < buckets:
            raise StarvecError(
                f"memory is {self.memory} but {self.batch} users pooled by {self.pooled} make {buckets} buckets: "
                f"set memory to {buckets} or more, or to 0"
            )
        if self.loss == "item_softmax" and (self.miner != "none" or self.memory):
            raise StarvecError(
                f"miner is {self.miner!r} and memory is {self.memory} but loss is 'item_softmax', which takes neither: "
                f"choose the loss ntxent or multi_similarity, or miner none and memory 0"
            )
        return self
