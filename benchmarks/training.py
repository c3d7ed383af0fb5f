"""Compare vectors of this project, the literal recipe and other libraries in one table.

    python benchmarks/training.py --stars stars.parquet [--shared ../shared/data] [--only svd --only als]
    python benchmarks/training.py ... --only text --set encoder=tfidf+minilm --set neighbours=64
    python benchmarks/training.py --scale 1

`stars.parquet` has the columns user, repo_id and repo, one row per star, in the order starred. Every method is a
process of its own on two threads, trains on the same users, and is scored by benchmarks/acceptance.py, which needs
the real lists and users under `--shared`. Seconds include the initial vectors, but not reading the lists. Peak memory
is the process's, with imports and lists (0.3 GB). Libraries that are not installed are listed: `pip install
'starvec[peers]'`; StarSpace runs if `--starspace` names its binary.

`--scale 1` instead generates 4 million users x 300,000 repositories (160 million stars) at random and trains one epoch;
0.01 is a hundredth of each.
"""

import argparse
import importlib
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp

sys.path.insert(0, str(Path(__file__).parent))  # for the scripts beside this one

from acceptance import METRICS, SHARED, score_vectors
from corpus import cumulative_popularity

from starvec_assets.config_base import parse_value
from starvec_assets.corpus.corpus import Corpus
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.heldout import split_lists
from starvec_assets.training.settings import TrainSettings
from starvec_assets.vectors import Matrix

DIM, BATCH, LITERAL_EPOCHS, THREADS = 128, 1024, 10, 2
HELD_OUT, LEAST_STARS, LEAST_STARGAZERS = 800, 4, 5
USERS_A_BLOCK = 100_000
HALVES = {"users_per_bag": 1, "bucket_a": 100_000, "bucket_b": 100_000}


if TYPE_CHECKING:
    from starvec_assets.text.vectors import TextVectors

Trained = tuple[Matrix, float | None]
"""Vectors [n, d], and users per second for methods that iterate over users."""


def prepare(stars: Path, shared: Path, folder: Path, held_out: int = HELD_OUT) -> None:
    """Write training lists, held-out lists, and repos.parquet (name, description, language), most starred first."""
    table = pq.read_table(stars, columns=["user", "repo_id", "repo"])
    users, ids = table["user"].to_numpy(), table["repo_id"].to_numpy()
    known, first, number, counts = np.unique(ids, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] >= LEAST_STARGAZERS]
    rank = np.full(len(known), -1, np.int32)
    rank[order] = np.arange(len(order))
    items = rank[number]
    users, items = users[items >= 0], items[items >= 0]
    together = np.argsort(users, kind="stable")
    lengths = np.bincount(users)
    lists = RaggedArray(items[together], np.concatenate([[0], np.cumsum(lengths)]))
    shuffled = np.random.default_rng(0).permutation(len(lists))
    heldout, trained = shuffled[:held_out], np.sort(shuffled[held_out:])
    lists.take(trained[lengths[trained] >= LEAST_STARS]).save(folder)
    for half, prefix in zip(split_lists(lists.take(heldout), 10, 800, seed=0), ("a", "b"), strict=True):
        half.save(folder, f"heldout_{prefix}_")
    names = table["repo"].take(pa.array(first[order])).to_pylist()
    pq.write_table(describe(names, shared), folder / "repos.parquet")


def describe(names: list[str], shared: Path) -> pa.Table:
    """Return name, description and language of repositories, the latter two null where they are not known."""
    rows = pq.read_table(shared / "real_users" / "repos.parquet").to_pylist()
    descriptions = {row["repo"].lower(): (row["description"], row["language"]) for row in rows}
    described = [descriptions.get(name.lower(), (None, None)) for name in names]
    columns = {"name": names, "description": [d for d, _ in described], "language": [x for _, x in described]}
    return pa.table(columns)


def ours(corpus: Corpus, encoder: str = "tfidf", **change: Any) -> Trained:
    """This project with its defaults and `change`."""
    from starvec_assets.training.device import pick_device
    from starvec_assets.training.trainer import train

    settings = TrainSettings(**change)
    text = text_vectors(corpus, settings.dim, encoder) if "text" in settings.init else None
    result = train(
        corpus.lists,
        corpus.n,
        settings,
        text=text,
        validation=corpus.validation,
        device=pick_device("cpu"),
        checkpoint=Path(tempfile.mkdtemp(dir=corpus.folder)),
        input_key="benchmark",
        on_epoch=lambda epoch: None,
    )
    speeds = [epoch.users_per_second for epoch in result.epochs[1:]]
    return result.vectors, float(np.median(speeds)) if speeds else None


def text_vectors(corpus: Corpus, dim: int = DIM, encoder: str = "tfidf") -> "TextVectors":
    """Return the vectors of the repositories' texts."""
    from starvec_assets.defs.resources import TextEncoderResource
    from starvec_assets.text.documents import document
    from starvec_assets.text.vectors import make_text_vectors

    repos = pq.read_table(corpus.folder / "repos.parquet").to_pylist()
    texts = [document(repo["name"], repo["description"], repo["language"]) for repo in repos]
    return make_text_vectors(texts, TextEncoderResource.model_validate({"encoder": encoder}).open("cpu"), dim)


def literal(corpus: Corpus) -> Trained:
    """EmbeddingBag from random vectors, MultiSimilarityLoss on labels, Adam; halves of each list are the buckets.

    The project's own sampler draws the buckets, which spares the recipe its slowest line, a permutation per user. The
    learning rate suits EmbeddingBag's own initial rows of length 11: cosines change as with 0.0045 on unit rows.
    """
    import torch
    from pytorch_metric_learning.losses import MultiSimilarityLoss

    from starvec_assets.training.sampler import Sampler

    torch.manual_seed(1)
    bags = torch.nn.EmbeddingBag(corpus.n, DIM, mode="mean")
    optimiser, loss = torch.optim.Adam(bags.parameters(), lr=0.05), MultiSimilarityLoss()
    sampler = Sampler(corpus.lists, corpus.n, TrainSettings(batch=BATCH, **HALVES), torch.device("cpu"))
    began = time.perf_counter()
    for epoch in range(1, LITERAL_EPOCHS + 1):
        sampler.start_epoch(epoch)
        for step in range(sampler.steps):
            batch = sampler.batch(torch.tensor([step]))
            sizes = torch.cat([batch.a.sizes, batch.b.sizes])
            buckets = bags(torch.cat([batch.a.items, batch.b.items]).long(), sizes.cumsum(0) - sizes)
            optimiser.zero_grad()
            loss(buckets, torch.cat([batch.labels, batch.labels])).backward()
            optimiser.step()
    speed = LITERAL_EPOCHS * len(corpus.lists) / (time.perf_counter() - began)
    return bags.weight.detach().numpy(), speed


def als(corpus: Corpus) -> Trained:
    """Weighted by BM25 as its own tutorial does: unweighted it finds half as much for real people."""
    from implicit.als import AlternatingLeastSquares
    from implicit.nearest_neighbours import bm25_weight

    repos = bm25_weight(sp.csr_matrix(corpus.lists.matrix(corpus.n)).T.tocsr(), K1=100, B=0.8)
    model = AlternatingLeastSquares(factors=DIM, iterations=12, num_threads=THREADS, random_state=1)
    model.fit(repos.T.tocsr().astype(np.float32), show_progress=False)
    return np.asarray(model.item_factors, np.float32), None


def bpr(corpus: Corpus) -> Trained:
    from implicit.bpr import BayesianPersonalizedRanking

    model = BayesianPersonalizedRanking(factors=DIM, iterations=60, num_threads=THREADS, random_state=1)
    model.fit(sp.csr_matrix(corpus.lists.matrix(corpus.n)), show_progress=False)
    return np.asarray(model.item_factors[:, :DIM], np.float32), None  # the last column is a bias


def word2vec(corpus: Corpus) -> Trained:
    """Skip-gram over star lists as sentences."""
    from gensim.models import Word2Vec

    tokens = np.array([str(i) for i in range(corpus.n)], object)
    sentences = [tokens[corpus.lists[i]].tolist() for i in range(len(corpus.lists))]
    model = Word2Vec(sentences, vector_size=DIM, sg=1, window=10, min_count=1, epochs=5, workers=THREADS, seed=1)
    vectors = np.zeros((corpus.n, DIM), np.float32)
    vectors[[int(token) for token in model.wv.index_to_key]] = model.wv.vectors
    return vectors, None


def svd(corpus: Corpus) -> Trained:
    """D^-1/2 X I^-1/2 with D and I the stars of users and of repositories; columns times the root of S."""
    from sklearn.utils.extmath import randomized_svd

    x = corpus.lists.matrix(corpus.n)
    users, repos = (1 / np.sqrt(np.maximum(x.sum(axis=axis), 1)) for axis in (1, 0))
    x = sp.diags_array(users) @ x @ sp.diags_array(repos)
    _, s, axes = randomized_svd(sp.csr_matrix(x.astype(np.float32)), DIM, n_iter=4, random_state=1)
    return np.asarray(axes.T * np.sqrt(s), np.float32), None


def ppmi(corpus: Corpus) -> Trained:
    from starvec_assets.training.init_vectors import ppmi_init

    return ppmi_init(corpus.lists, corpus.n, DIM, seed=1), None


def starspace(corpus: Corpus, binary: str) -> Trained:
    """trainMode 1: a list's stars one by one against the rest of it."""
    lines, model = corpus.folder / "lists.txt", corpus.folder / "starspace"
    with lines.open("w") as file:
        for i in range(len(corpus.lists)):
            file.write(" ".join(f"__label__{item}" for item in corpus.lists[i]) + "\n")
    options = ["-trainMode", "1", "-fileFormat", "labelDoc", "-dim", str(DIM), "-epoch", "5", "-thread", str(THREADS)]
    command = [binary, "train", "-trainFile", str(lines), "-model", str(model), *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    vectors = np.zeros((corpus.n, DIM), np.float32)
    for line in model.with_suffix(".tsv").read_text().splitlines():
        name, *values = line.split("\t")
        vectors[int(name.removeprefix("__label__"))] = np.array(values, np.float32)
    return vectors, None


@dataclass(frozen=True)
class Method:
    """A row of the table; `package` has to be installed for it."""

    label: str
    make: Callable[..., Trained]
    package: str = ""


METHODS = {
    "text": Method("**starvec, defaults (stars and text)**", ours),
    "stars": Method("**starvec, stars only**", lambda corpus, **change: ours(corpus, **change | {"init": "spectral"})),
    "same_loss": Method(
        "the literal recipe in starvec's step",
        lambda corpus: ours(
            corpus,
            init="random",
            loss="multi_similarity",
            neighbours=0,
            center_fraction=0,
            whitening=0,
            batch=BATCH,
            **HALVES,
        ),
    ),
    "literal": Method(f"the literal recipe, {LITERAL_EPOCHS} epochs", literal),
    "als": Method("implicit ALS, BM25 weights, 12 iterations", als, "implicit"),
    "bpr": Method("implicit BPR, 60 iterations", bpr, "implicit"),
    "word2vec": Method("gensim Word2Vec, skip-gram, 5 epochs", word2vec, "gensim"),
    "svd": Method("truncated SVD of the normalised stars", svd),
    "ppmi": Method("SVD of PPMI, U", ppmi),
    "starspace": Method("StarSpace, trainMode 1, 5 epochs", starspace),
}


def make_lists(users: int, repos: int, stars: int, seed: int = 0) -> RaggedArray:
    """Generate about `stars` stars of random users: log-normal stars per user, power-law popularity of repositories."""
    rng = np.random.default_rng(seed)
    wish = np.exp(rng.normal(0, 1.1, users))
    share = stars / users
    for _ in range(30):  # the limits move the mean, so it is brought back
        lengths = np.clip(wish * share, 10, 800)
        share *= stars / lengths.sum()
    lengths = lengths.astype(np.int64)
    cumulative = cumulative_popularity(repos)
    items, sizes = np.empty(int(lengths.sum()), np.int32), np.zeros(users, np.int64)
    filled = 0
    for start in range(0, users, USERS_A_BLOCK):
        block = lengths[start : start + USERS_A_BLOCK]
        owner = np.repeat(np.arange(len(block)), block)
        starred = np.minimum(np.searchsorted(cumulative, rng.random(len(owner))), repos - 1)
        owner, starred = np.divmod(np.unique(owner * repos + starred), repos)
        items[filled : filled + len(starred)] = starred
        filled += len(starred)
        sizes[start : start + len(block)] = np.bincount(owner, minlength=len(block))
    sizes = sizes[sizes > 0]
    return RaggedArray(items[:filled], np.concatenate([[0], np.cumsum(sizes)]))


def scale(share: float, start: str) -> dict[str, float]:
    """Train one epoch at a share of 4 million users x 300,000 repositories, in this process."""
    from starvec_assets.training.device import pick_device
    from starvec_assets.training.epoch_metrics import EpochMetrics
    from starvec_assets.training.trainer import train

    users, repos, stars = (int(x * share) for x in (4_000_000, 300_000, 160_000_000))
    began = time.perf_counter()
    lists = make_lists(users, repos, stars)
    generated = time.perf_counter()
    epochs: list[EpochMetrics] = []
    with tempfile.TemporaryDirectory() as folder:
        train(
            lists,
            repos,
            TrainSettings.model_validate({"epochs": 1, "init": start}),
            text=None,
            validation=split_lists(lists.first(1000), 10, 800, seed=0),
            device=pick_device("cpu"),
            checkpoint=Path(folder),
            input_key="scale",
            on_epoch=epochs.append,
        )
    ended = time.perf_counter()
    return {
        "users": len(lists),
        "repositories": repos,
        "stars": len(lists.items),
        "lists made in s": generated - began,
        "start and neighbours s": ended - generated - sum(epoch.seconds for epoch in epochs),
        "epoch s": epochs[1].seconds,
        "users/s": epochs[1].users_per_second,
        "stars/s": epochs[1].users_per_second * len(lists.items) / len(lists),
        "peak GB": peak_gb(),
    }


def peak_gb() -> float:
    """Return the peak resident size of this process or a child of it (Linux counts in KiB)."""
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 2**20


def measure(name: str, folder: Path, starspace_binary: str, changes: list[str]) -> dict[str, float | None]:
    """Train a method in this process and return its cost; `changes` are settings of the rows "text" and "stars"."""
    corpus = Corpus.load(folder)
    len(corpus.lists)  # reads the lists, which are not part of the measurement
    more = [starspace_binary] if name == "starspace" else []
    if METHODS[name].package:
        importlib.import_module(METHODS[name].package)
    elif name in ("text", "stars", "same_loss", "literal"):
        importlib.import_module("torch")
        importlib.import_module("starvec_assets.defs.resources")
    began = time.perf_counter()
    settings = {field: parse_value(value) for field, _, value in (change.partition("=") for change in changes)}
    vectors, speed = METHODS[name].make(corpus, *more, **(settings if name in ("text", "stars") else {}))
    seconds = time.perf_counter() - began
    np.save(folder / "vectors.npy", vectors)
    return {"seconds": seconds, "peak GB": peak_gb(), "users/s": speed}


def missing(method: Method) -> bool:
    return bool(method.package) and importlib.util.find_spec(method.package) is None


def run_subprocess(*arguments: str) -> Any:
    """Run this script with other arguments on a fixed number of threads and parse the JSON of its last line."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    done = subprocess.run(
        [sys.executable, __file__, *arguments],
        check=True,
        stdout=subprocess.PIPE,
        env={**os.environ, **dict.fromkeys(names, str(THREADS))},
    )
    return json.loads(done.stdout.splitlines()[-1])


def set_arguments(changes: list[str]) -> list[str]:
    return [argument for change in changes for argument in ("--set", change)]


def row(cells: list[Any]) -> str:
    def shown(cell: Any) -> str:
        if cell is None:
            return "–"
        if isinstance(cell, str):
            return cell
        return f"{cell:,.0f}" if cell >= 1000 or cell == int(cell) else f"{cell:.1f}" if cell >= 5 else f"{cell:.3f}"

    return "| " + " | ".join(map(shown, cells)) + " |"


def compare(
    stars: Path, shared: Path, names: list[str], starspace_binary: str, splits: int, changes: list[str]
) -> None:
    """Print each row as soon as it is measured."""
    skipped, speeds = [], {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        prepare(stars, shared, folder)
        corpus = Corpus.load(folder)
        repos = pq.read_table(folder / "repos.parquet", columns=["name"])["name"].to_pylist()
        print(f"{len(corpus.lists):,} users, {corpus.n:,} repositories, {len(corpus.lists.items):,} stars\n")
        print(row(["vectors", "seconds", "peak GB", *METRICS, "users/s"]))
        print("|---|" + "---:|" * (len(METRICS) + 3))
        for name in names:
            method = METHODS[name]
            if missing(method):
                skipped.append(f"{method.label}: {method.package} is not installed, pip install 'starvec[peers]'")
            elif name == "starspace" and not starspace_binary:
                skipped.append(f"{method.label}: name its binary with --starspace")
            else:
                cost = run_subprocess(
                    "--measure", name, "--folder", scratch, "--starspace", starspace_binary, *set_arguments(changes)
                )
                scores = score_vectors(np.load(folder / "vectors.npy"), repos, shared, splits)
                speeds[name] = cost["users/s"]
                figures = [f"{scores[column]:.4f}" for column in METRICS]
                print(row([method.label, cost["seconds"], cost["peak GB"], *figures, cost["users/s"]]), flush=True)
    for line in skipped:
        print(f"\nskipped {line}")
    if speeds.get("literal"):
        for name in ("stars", "text", "same_loss"):
            if speeds.get(name):
                print(f"\nusers/s, {METHODS[name].label} : literal = {speeds[name] / speeds['literal']:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stars", type=Path, help="Parquet of user, repo_id, repo")
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder of awesome/ and real_users/")
    parser.add_argument("--only", action="append", choices=METHODS, help="only this row; may be repeated")
    parser.add_argument("--starspace", default="", help="StarSpace's binary")
    parser.add_argument("--splits", type=int, default=20, help="shuffles averaged in the figures of real users")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="changes",
        metavar="FIELD=VALUE",
        help="setting of starvec's rows, or encoder=tfidf+minilm; may be repeated",
    )
    parser.add_argument("--scale", type=float, help="one epoch at this share of 4 million users instead")
    parser.add_argument("--start", default="spectral", choices=["spectral", "random"], help="with --scale")
    parser.add_argument("--measure", choices=[*METHODS, "scale"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure == "scale":
        print(json.dumps(scale(arguments.scale, arguments.start)))
    elif arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.folder, arguments.starspace, arguments.changes)))
    elif arguments.scale is not None:
        if not 0.001 <= arguments.scale <= 10:
            parser.error(f"--scale is {arguments.scale}: choose 0.001 to 10")
        figures = run_subprocess("--measure", "scale", "--scale", str(arguments.scale), "--start", arguments.start)
        print(row(list(figures)), "|" + "---:|" * len(figures), row(list(figures.values())), sep="\n")
    elif arguments.stars is None:
        parser.error("--stars is needed: a Parquet file of user, repo_id, repo; or --scale")
    else:
        names = arguments.only or list(METHODS)
        compare(arguments.stars, arguments.shared, names, arguments.starspace, arguments.splits, arguments.changes)


if __name__ == "__main__":
    main()
