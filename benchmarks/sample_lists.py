"""Estimate the weights of the sample's curators (starvec_assets/sample/curators.py) from real awesome lists.

    python benchmarks/sample_lists.py --lists DIR    # a folder of READMEs named owner__name.md

Prints each weight with its standard error, and what two repositories of a section share in real and simulated lists.
A real list's theme is the one that most of its repositories fit. Sections with fewer than 3 repositories of the
catalogue, and lists with fewer than 5 in such sections, are left out.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from starvec_assets.evaluation.awesome.build import read_readmes
from starvec_assets.evaluation.awesome.parse import parse_readme
from starvec_assets.sample.catalogue import SampleRepo, load_catalogue
from starvec_assets.sample.curators import (
    FAME_WEIGHT,
    SHARED_WEIGHTS,
    THEME_WEIGHT,
    CuratedList,
    Floats,
    log_stars,
    shared_attributes,
    simulate_lists,
    themes,
)

MIN_LIST, MIN_SECTION = 5, 3


def real_lists(folder: Path, repos: Sequence[SampleRepo], seed: int) -> Iterator[CuratedList]:
    """Yield the lists in `folder`, cut to `repos`, each section in random order: lists are often alphabetical."""
    rng = np.random.default_rng(seed)
    index_of = {repo.name.lower(): i for i, repo in enumerate(repos)}
    for name, readme in read_readmes(folder).items():
        sections: dict[str, set[int]] = {}
        for entry in parse_readme(readme).entries:
            if (index := index_of.get(entry.repo_name.lower())) is not None:
                sections.setdefault(entry.section, set()).add(index)
        kept = [rng.permutation(sorted(rows)) for rows in sections.values() if len(rows) >= MIN_SECTION]
        if sum(map(len, kept)) >= MIN_LIST:
            yield CuratedList(name, kept)


def estimate(lists: Sequence[CuratedList], repos: Sequence[SampleRepo]) -> tuple[int, Floats, Floats]:
    """Return the number of choices, the maximum-likelihood weights and their standard errors.

    The weights are in the order of SHARED_WEIGHTS, then theme and fame. A choice is a repository that a section gained,
    given those it had.
    """
    shared, fame = np.stack(list(shared_attributes(repos).values())), log_stars(repos)
    rows, chosen, excluded = [], [], []
    for curated in lists:
        members = np.concatenate(curated.sections)
        theme = max((theme.fits for theme in themes(repos)), key=lambda fits: float(fits[members].mean()))
        for section in curated.sections:
            for size in range(1, len(section)):
                features = [*shared[:, section[:size]].mean(axis=1), theme, fame]
                rows.append(np.stack(features).astype(np.float32))
                chosen.append(int(section[size]))
                excluded.append(section[:size])
    features, each = np.stack(rows), np.arange(len(rows))

    def loss(weights: Floats) -> tuple[float, Floats]:
        utility = np.einsum("f,cfn->cn", weights, features)
        for choice, members in enumerate(excluded):
            utility[choice, members] = -np.inf
        utility -= utility.max(axis=1, keepdims=True)
        odds = np.exp(utility)
        total = odds.sum(axis=1, keepdims=True)
        expected = np.einsum("cn,cfn->f", odds / total, features) / len(rows)
        likelihood = np.mean(utility[each, chosen] - np.log(total[:, 0]))
        return -float(likelihood), expected - features[each, :, chosen].mean(axis=0)

    fit = minimize(loss, np.zeros(features.shape[1]), jac=True, method="BFGS")
    return len(rows), fit.x, np.sqrt(np.diag(fit.hess_inv) / len(rows))


def sharing(lists: Sequence[CuratedList], repos: Sequence[SampleRepo]) -> dict[str, float]:
    """Return the mean of what two repositories of a section share, each repository counting the same."""
    sections = [section for curated in lists for section in curated.sections]
    size = sum(map(len, sections))
    means = {}
    for name, shared in shared_attributes(repos).items():
        np.fill_diagonal(shared, 0)
        means[name] = sum(shared[np.ix_(rows, rows)].sum() / (len(rows) - 1) for rows in sections) / size
    return means


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lists", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    repos = load_catalogue()
    real = list(real_lists(args.lists, repos, args.seed))
    simulated = list(simulate_lists(repos, np.random.default_rng(args.seed)))
    choices, weights, errors = estimate(real, repos)
    used = [*SHARED_WEIGHTS.values(), THEME_WEIGHT, FAME_WEIGHT]
    real_share, simulated_share = sharing(real, repos), sharing(simulated, repos)
    print(f"{len(real)} real lists, {choices} choices; {len(simulated)} simulated lists\n")
    print("| what | weight | standard error | used | shared in real sections | in simulated ones |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, weight, error, in_use in zip([*SHARED_WEIGHTS, "theme", "fame"], weights, errors, used, strict=True):
        shares = [f"{means[name]:.3f}" if name in means else "" for means in (real_share, simulated_share)]
        print(f"| {name} | {weight:.2f} | {error:.2f} | {in_use} | {shares[0]} | {shares[1]} |")


if __name__ == "__main__":
    main()
