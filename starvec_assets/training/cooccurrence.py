"""Nearest repositories by co-occurrence counts, which rank the nearest few more precisely than 128-d vectors.

They are the positives of the neighbour loss. Padding is repository n with weight 0.
"""

import math

import numpy as np
import torch
from torch.nn.functional import pad

from starvec_assets.ragged import RaggedArray
from starvec_assets.training.device_lists import DeviceLists
from starvec_assets.training.sampler import sort, uniform_hash
from starvec_assets.training.thread_pool import cpu_thread_pool
from starvec_assets.vectors import Matrix

CPU = torch.device("cpu")
PAIRS, PAIRS_GPU = 1 << 20, 1 << 26
"""Pairs of repositories starred together that are counted at a time."""
SCORES, SCORES_GPU = 1 << 22, 1 << 29
"""Cosines held at a time, but of 64 repositories or more."""

Neighbours = tuple[torch.Tensor, torch.Tensor]
"""Items, int32 [n, k], and weights, float32 [n, k] descending."""


def cooccurrence_neighbours(
    corpus: RaggedArray,
    n: int,
    k: int,
    *,
    discount: float = 0.3,
    min_count: int = 2,
    max_stargazers: int = 400,
    seed: int = 0,
    device: torch.device = CPU,
) -> Neighbours:
    """Return each repository's k neighbours of largest weight.

    The weight of j for i is count(i, j) / stars(j)^discount; count is the number of users who starred both, if it is
    `min_count` or more, among a random sample of about `max_stargazers` of i's users.
    """
    stars = DeviceLists.load(corpus, device)
    lengths, begins = stars.lengths, stars.offsets[:-1].int()
    discounts = torch.bincount(stars.items, minlength=n).clamp(min=1).double().pow(-discount).float()
    stargazers = _sample(stars.transpose(n), max_stargazers, seed)
    repos = stargazers.owners()
    pairs = pad(lengths.index_select(0, stargazers.items).cumsum(0), (1, 0))[stargazers.offsets].cpu()
    item_bits = n.bit_length()
    items = torch.full((n, k), n, dtype=torch.int32, device=device)
    weights = torch.zeros((n, k), device=device)

    def fill(block: slice) -> None:
        chosen = slice(*stargazers.offsets[[block.start, block.stop]].tolist())
        users, rows = stargazers.items[chosen], repos[chosen] - block.start
        # A key of row and repository for each star of each stargazer; equal ones are counted.
        sizes = lengths.index_select(0, users)
        ends = sizes.cumsum(0, dtype=torch.int32)
        total = int(pairs[block.stop] - pairs[block.start])
        owner = torch.repeat_interleave(sizes, output_size=total)
        shift = (begins.index_select(0, users) + sizes - ends).index_select(0, owner)
        starred = stars.items.index_select(0, torch.arange(total, dtype=torch.int32, device=device).add_(shift))
        keys = sort((rows << item_bits).index_select(0, owner).bitwise_or_(starred))
        keys, counts = torch.unique_consecutive(keys, return_counts=True)
        often = torch.nonzero(counts >= min_count)[:, 0]
        keys, counts = keys.index_select(0, often), counts.index_select(0, often)

        rows, other = keys >> item_bits, keys & ((1 << item_bits) - 1)
        weight = discounts.index_select(0, other).mul_(counts)
        weight.masked_fill_(other == rows + block.start, 0)
        # Positive floats sort as their bits do: one sort of integers orders rows, weights and repositories at once.
        descending = (0x7FFFFFFF - weight.view(torch.int32)).long() << item_bits
        keys = sort((rows.long() << (31 + item_bits)) | descending | other)
        height = block.stop - block.start
        first = torch.searchsorted(keys, torch.arange(height + 1, device=device) << (31 + item_bits))
        places = first[:-1].unsqueeze(1) + torch.arange(k, device=device)
        best = pad(keys, (0, 1))[places.clamp_(max=len(keys))]
        found = (0x7FFFFFFF - (best >> item_bits & 0x7FFFFFFF)).int().view(torch.float32)
        inside = (places < first[1:].unsqueeze(1)) & (found > 0)
        weights[block] = found.where(inside, 0.0)
        items[block] = (best & ((1 << item_bits) - 1)).int().where(inside, n)

    most = PAIRS if device.type == "cpu" else PAIRS_GPU
    with cpu_thread_pool(device) as pool:
        pool.map(fill, _blocks(pairs, most, 1 << (31 - item_bits)))
    return items, weights


def add_text_neighbours(
    neighbours: Neighbours, text: Matrix, share: float, dtype: torch.dtype = torch.float32
) -> Neighbours:
    """Return the k neighbours of largest weight when text similarity is added, shapes unchanged.

    Both weights are divided by their mean over the row's ten largest; text similarity is then multiplied by `share`.
    Text vectors are unit rows, float32 [n, d]; a zero row has no text. `dtype` is that of the matrix product:
    bfloat16 rounds similarities to three digits, which changes no score and takes a third of the time.
    """
    items, weights = neighbours
    n, k = items.shape
    rows = torch.from_numpy(text).to(items.device)
    best_items, best_weights = torch.empty_like(items), torch.empty_like(weights)
    half = rows.to(dtype)

    def fill(block: slice) -> None:
        scores = half[block] @ half.T
        height = torch.arange(len(scores), device=scores.device)
        scores[height, height + block.start] = -math.inf
        columns = top_columns(scores, min(k, n - 1))
        similarity, order = scores.gather(1, columns).float().clamp_(min=0).sort(dim=1, descending=True, stable=True)
        text_items = columns.gather(1, order).int()
        scale = share / _mean_of_ten(similarity)

        own_items, own_weights = items[block], weights[block]
        padding = own_items == n
        own_similarity = scores.gather(1, own_items.masked_fill(padding, 0).long()).float().clamp_(min=0)
        own_total = (own_weights / _mean_of_ten(own_weights) + own_similarity * scale).masked_fill_(padding, 0)
        duplicate = (text_items.unsqueeze(2) == own_items.unsqueeze(1)).any(dim=2)
        text_total = (similarity * scale).masked_fill_(duplicate, 0)
        total, order = torch.cat([own_total, text_total], dim=1).sort(dim=1, descending=True, stable=True)
        best_weights[block] = total[:, :k]
        best_items[block] = torch.cat([own_items, text_items], dim=1).gather(1, order[:, :k]).where(total[:, :k] > 0, n)

    height = max(64, (SCORES if rows.device.type == "cpu" else SCORES_GPU) // n)
    with cpu_thread_pool(rows.device) as pool:
        pool.map(fill, [slice(start, min(start + height, n)) for start in range(0, n, height)])
    return best_items, best_weights


def top_columns(scores: torch.Tensor, k: int) -> torch.Tensor:
    """Return the columns of the k largest values of each row, unordered: int64 [rows, k].

    Sets of columns are compared by their maxima first, for the reason given in ranking.search, which is without torch.
    """
    q, n = scores.shape
    size = max(1, math.isqrt(n // k))
    sets = n // size
    covered = sets * size
    maxima = scores[:, :covered].view(q, size, sets).amax(dim=1)
    chosen = maxima.topk(k, dim=1, sorted=False).indices
    columns = (chosen.unsqueeze(2) + sets * torch.arange(size, device=scores.device)).view(q, -1)
    columns = torch.cat([columns, torch.arange(covered, n, device=scores.device).expand(q, -1)], dim=1)
    inner = scores.gather(1, columns).topk(k, dim=1, sorted=False).indices
    return columns.gather(1, inner)


def _mean_of_ten(weights: torch.Tensor) -> torch.Tensor:
    return weights[:, :10].mean(dim=1, keepdim=True).clamp_(min=1e-6)


def _sample(lists: DeviceLists, most: int, seed: int) -> DeviceLists:
    """Drop items at random from lists longer than `most`, so that about that many are left."""
    chances = (most / lists.lengths.clamp(min=1)).index_select(0, lists.owners())
    selected = uniform_hash(torch.arange(len(lists.items), device=chances.device), seed) < chances
    return DeviceLists(lists.items[selected], pad(selected.cumsum(0), (1, 0))[lists.offsets])


def _blocks(ends: torch.Tensor, most: int, longest: int) -> list[slice]:
    """Divide rows, of which row i has ends[i]:ends[i + 1], into blocks of about `most` and `longest` rows at most."""
    blocks, total = list[slice](), len(ends) - 1
    bounds = np.asarray(ends)
    while (start := blocks[-1].stop if blocks else 0) < total:
        stop = int(np.searchsorted(bounds, bounds[start] + most, side="right")) - 1
        blocks.append(slice(start, min(max(stop, start + 1), start + longest, total)))
    return blocks
