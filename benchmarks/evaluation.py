"""Exact ranking over a full-size vocabulary: seconds and peak memory.

python benchmarks/evaluation.py [--repos 300000] [--dim 128] [--queries 20000] [--k 100]
"""

import argparse
import resource
import time

import numpy as np

from starvec_assets.evaluation.baselines import random_vectors
from starvec_assets.ranking import search
from starvec_assets.ranking.groups import self_exclusion


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("repos", 300_000), ("dim", 128), ("queries", 20_000), ("k", 100)):
        parser.add_argument(f"--{name}", type=int, default=default)
    a = parser.parse_args()
    vectors = random_vectors(a.repos, a.dim, seed=0)
    queries = np.sort(np.random.default_rng(1).choice(a.repos, a.queries, replace=False)).astype(np.int32)
    before = _peak()
    start, cpu_start = time.perf_counter(), time.process_time()
    search.top_k(vectors[queries], vectors, a.k, exclude=self_exclusion(queries))
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    print(
        f"{'repositories':>14}{'dim':>6}{'queries':>10}{'k':>6}{'seconds':>10}{'CPU s':>8}{'peak MB':>10}{'before':>10}"
    )
    print(f"{a.repos:14,}{a.dim:6}{a.queries:10,}{a.k:6}{seconds:10.1f}{cpu:8.1f}{_peak():10,.0f}{before:10,.0f}")


def _peak() -> float:
    """Largest resident size so far, MB (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
