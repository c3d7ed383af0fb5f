"""Benchmark of the text encoders: seconds, memory and bytes at any number of repositories, and vectors for others.

    python benchmarks/text_encoders.py [--shared ../shared/data] [--repos 300000] [--only tfidf] [--sample 3000]

Texts are names, descriptions and languages of real repositories, from `real_users/repos.parquet` under `--shared`, over
again from the first where there are too few. `tfidf` learns from all of them; a model encodes each by itself, so a
`--sample` of them is timed, on one thread, and the seconds are multiplied. The reduction to 128 dimensions is of all
rows. Each encoder is a process of its own. Minutes are CPU seconds / 60, for a model, which takes both cores, / 120.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parent))  # for the script beside this one

from acceptance import SHARED

from starvec_assets.text.documents import document
from starvec_assets.text.encoders import TextEncoder, TfidfSvdEncoder
from starvec_assets.text.minilm import minilm
from starvec_assets.text.vectors import reduce
from starvec_assets.vectors import Matrix

DIM = 128
ENCODERS = ["tfidf", "minilm"]
COLUMNS = ["encoder", "width", "texts a CPU s", "encode CPU s", "reduce CPU s", "minutes on 2 cores"]
COLUMNS += ["MB wide", "MB start", "peak GB"]


def read_texts(shared: Path, repos: int) -> list[str]:
    """Return the documents of `repos` repositories."""
    rows = pq.read_table(shared / "real_users" / "repos.parquet").to_pylist()
    texts = [document(row["repo"], row["description"], row["language"]) for row in rows[:repos]]
    return [texts[i % len(texts)] for i in range(repos)]


def cpu_seconds(encoder: TextEncoder, texts: list[str]) -> tuple[Matrix, float]:
    """Return the vectors of texts, and the CPU seconds that they took."""
    began = time.process_time()
    return encoder.encode(texts), time.process_time() - began


def measure(name: str, shared: Path, repos: int, sample: int) -> list[str | float]:
    """Return the row of an encoder."""
    texts = read_texts(shared, repos)
    encoder: TextEncoder = TfidfSvdEncoder()
    loading = 0.0
    if name == "minilm":
        import torch

        torch.set_num_threads(1)
        encoder = minilm(Path(tempfile.mkdtemp()), batch_size=32, device="cpu")
        loading = cpu_seconds(encoder, [])[1]
        texts = texts[:: max(1, repos // sample)]
    wide, seconds = cpu_seconds(encoder, texts)
    encode = (seconds - loading) * repos / len(texts)
    wide = np.resize(wide, (repos, wide.shape[1]))
    began = time.process_time()
    start = reduce(wide, DIM, encoder.matryoshka)
    reducing = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    size = wide.nbytes / 2e6, start.nbytes / 1e6
    minutes = (encode / (1 if name == "tfidf" else 2) + reducing) / 60
    return [encoder.name, wide.shape[1], repos / encode, encode, reducing, minutes, *size, peak]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder of real_users/")
    parser.add_argument("--repos", type=int, default=300_000)
    parser.add_argument("--sample", type=int, default=3_000, help="texts that a model encodes")
    parser.add_argument("--only", action="append", choices=ENCODERS, help="only this row; may be repeated")
    parser.add_argument("--measure", choices=ENCODERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.shared, arguments.repos, arguments.sample)))
        return
    print(f"| {' | '.join(COLUMNS)} |\n|---|{'---:|' * (len(COLUMNS) - 1)}")
    for name in arguments.only or ENCODERS:
        command = [sys.executable, __file__, "--measure", name, "--shared", str(arguments.shared)]
        command += ["--repos", str(arguments.repos), "--sample", str(arguments.sample)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        encoder, *figures = json.loads(done.stdout.splitlines()[-1])
        print(f"| {encoder} | {' | '.join(f'{x:,.1f}' if x < 100 else f'{x:,.0f}' for x in figures)} |", flush=True)


if __name__ == "__main__":
    main()
