"""Hyperparameters of training. No torch here: definitions read this module."""

from typing import Literal

from pydantic import Field, model_validator

from starvec_assets.config_base import Settings
from starvec_assets.errors import StarvecError


class TrainSettings(Settings):
    """Hyperparameters of one training run; docs/training.md explains each field and the alternatives measured."""

    dim: int = Field(128, ge=2, le=1024, description="dimensions of a vector")
    init: Literal["spectral", "ppmi", "text", "random", "text+spectral"] = Field(
        "text+spectral", description="initial vectors; text and text+spectral need readme_init_vectors"
    )
    text_weight: float = Field(0.6, gt=0, lt=1, description="share of the text in the init text+spectral")
    loss: Literal["item_softmax", "ntxent", "multi_similarity"] = Field(
        "item_softmax", description="item_softmax: bucket A against each star of B; the others: bucket A against B"
    )
    bucket_weight: float = Field(0.3, ge=0, le=100, description="weight of ntxent between buckets beside item_softmax")
    neighbours: int = Field(
        128,
        ge=0,
        le=1024,
        description="neighbours of each repository in the neighbour loss, fewer in small vocabularies; 0 turns it off",
    )
    text_neighbour_weight: float = Field(
        1.0, ge=0, le=100, description="weight of text similarity beside co-occurrence when neighbours are chosen"
    )
    neighbour_power: float = Field(3.0, ge=0.1, le=10, description="exponent on neighbour weights when sampling")
    neighbour_weight: float = Field(1.5, gt=0, le=100, description="weight of the neighbour loss")
    neighbour_passes: float = Field(
        2.7,
        gt=0,
        le=100,
        description="how often, at least, an epoch takes a repository as an anchor of the neighbour loss",
    )
    neighbour_batch: int = Field(
        512, ge=2, le=1 << 17, description="least number of anchors in a step of the neighbour loss"
    )
    neighbour_draws: int = Field(8, ge=1, le=64, description="neighbours sampled for each anchor")
    temperature: float = Field(0.1, ge=0.03, le=2, description="softmax temperature; lower weighs hard negatives more")
    popularity_exponent: float = Field(
        1.0, ge=0, le=2, description="logQ correction of item_softmax: negatives weigh popularity^-this; 0 turns it off"
    )
    alpha: float = Field(2.0, ge=0.1, le=40, description="multi_similarity: scale of positives")
    beta: float = Field(50.0, ge=1, le=80, description="multi_similarity: scale of negatives")
    base: float = Field(0.5, ge=-1, le=1, description="multi_similarity: cosine offset")
    miner: Literal["none", "multi_similarity", "hard"] = Field(
        "none", description="pairs used: all, MultiSimilarityMiner's, or each anchor's hardest negative"
    )
    memory_size: int = Field(0, ge=0, le=1 << 18, description="buckets in CrossBatchMemory's queue; 0 turns it off")
    bucket_sampling: Literal["random", "window"] = Field(
        "random", description="buckets from the whole list, or from one contiguous window of it"
    )
    bucket_a: int = Field(64, ge=1, le=100_000, description="maximum stars in bucket A, from those that B leaves")
    bucket_b: int = Field(8, ge=1, le=100_000, description="maximum stars in bucket B; at most half of a list")
    users_per_bag: int = Field(2, ge=1, le=16, description="users whose buckets are merged into one training example")
    batch: int = Field(1024, ge=4, le=1 << 17, description="users per step; negatives come from the whole batch")
    epochs: int = Field(8, ge=0, le=1000, description="passes over the users; the best epoch is returned")
    optimizer: Literal["adam", "adagrad"] = Field("adam", description="both keep one second moment per row")
    lr: float = Field(0.005, gt=0, le=10, description="peak learning rate; decays linearly to zero")
    l2_to_init: float = Field(0.0, ge=0, le=1000, description="L2 pull of a touched row towards its initial vector")
    center_fraction: float = Field(
        0.6, ge=0, le=1, description="fraction of the mean vector subtracted from all rows after training"
    )
    text_share: float = Field(
        0.0, ge=0, lt=1, description="share of the text in vectors after training; it needs readme_init_vectors"
    )
    whitening: float = Field(
        0.5, ge=0, le=1, description="how evenly people differ along all axes after training: 0 as trained, 1 equally"
    )
    seed: int = Field(1, ge=0, lt=1 << 32, description="seed of the init, the order of users and the buckets")
    checkpoint_minutes: float = Field(
        10.0, gt=0, le=1440, description="minutes between checkpoints inside an epoch; each epoch ends with one as well"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "TrainSettings":
        if self.users_per_bag > self.batch // 2:
            raise StarvecError(
                f"users_per_bag is {self.users_per_bag} but batch is {self.batch}: a step needs two bags or more, "
                f"set users_per_bag to {self.batch // 2} or less"
            )
        buckets = 2 * -(-self.batch // self.users_per_bag)
        if 0 < self.memory_size < buckets:
            raise StarvecError(
                f"memory_size is {self.memory_size} but a step has {buckets} buckets (batch {self.batch}, "
                f"users_per_bag {self.users_per_bag}): set memory_size to {buckets} or more, or to 0"
            )
        if self.loss == "item_softmax" and (self.miner != "none" or self.memory_size):
            raise StarvecError(
                f"miner is {self.miner!r} and memory_size is {self.memory_size} but loss is 'item_softmax', which "
                f"supports neither: choose the loss ntxent or multi_similarity, or miner none and memory_size 0"
            )
        return self
