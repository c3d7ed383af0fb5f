"""Initial vectors: random, of text, of the spectrum of stars or of their PPMI, or of text and stars combined."""

import numpy as np
import scipy.sparse as sp
import torch
from torch.nn.functional import normalize

from starvec_assets.errors import StarvecError
from starvec_assets.ragged import RaggedArray
from starvec_assets.training.device_lists import DeviceLists
from starvec_assets.training.settings import TrainSettings
from starvec_assets.training.thread_pool import cpu_thread_pool
from starvec_assets.vectors import Matrix, unit_rows

MAX_PAIRS = 1_000_000_000
ROWS = 1 << 11
CPU = torch.device("cpu")


def make_init_vectors(
    corpus: RaggedArray, n: int, text: Matrix | None, settings: TrainSettings, device: torch.device = CPU
) -> Matrix:
    """Return the initial vectors that `settings.init` names: unit rows, float32 [n, dim].

    Raises StarvecError if text vectors are missing or of another shape, or the data has fewer than dim dimensions.
    """
    d, seed = settings.dim, settings.seed
    if settings.init == "random":
        return unit_rows(random_init(n, d, seed))
    if settings.init == "spectral":
        return unit_rows(spectral_init(corpus, n, d, seed, device=device))
    if settings.init == "ppmi":
        return unit_rows(ppmi_init(corpus, n, d, seed))
    if text is None:
        raise StarvecError(f"init is {settings.init!r} but there are no text vectors: choose spectral or random")
    if text.shape != (n, d):
        raise StarvecError(
            f"the text vectors are {' x '.join(map(str, text.shape))} but {n} x {d} are needed: materialize "
            f"readme_init_vectors again on this vocabulary with {d} dimensions, or choose the init spectral"
        )
    if settings.init == "text":
        return text_init(text, seed)
    spectral = spectral_init(corpus, n, d, seed, device=device)
    return unit_rows(combined_init(spectral, text, settings.text_weight, device))


def random_init(n: int, d: int, seed: int) -> Matrix:
    """Return normal noise of standard deviation 1/sqrt(d), so that rows have about unit length; float32 [n, d]."""
    noise = np.random.default_rng(seed).standard_normal((n, d), dtype=np.float32)
    return np.asarray(noise / np.sqrt(d), np.float32)


def text_init(text: Matrix, seed: int) -> Matrix:
    """Return unit rows of the text vectors; a repository without text gets a random unit row."""
    vectors = unit_rows(text)
    empty = ~vectors.any(axis=1)
    vectors[empty] = unit_rows(random_init(int(empty.sum()), text.shape[1], seed))
    return vectors


def combined_init(spectral: Matrix, text: Matrix, weight: float, device: torch.device = CPU) -> Matrix:
    """Return unit spectral rows beside unit text rows, projected on their d principal axes; float32 [n, d].

    `weight` is the share of the text in the squared length of a row that has both.
    """
    parts = [
        normalize(torch.from_numpy(rows).to(device)).mul_(share**0.5)
        for rows, share in ((spectral, 1 - weight), (text, weight))
    ]
    both = torch.cat(parts, dim=1)
    _, axes = torch.linalg.eigh((both.T @ both).double())
    return (both @ _fix_signs(axes.flip(1)[:, : spectral.shape[1]]).float()).cpu().numpy()


def spectral_init(
    corpus: RaggedArray,
    n: int,
    d: int,
    seed: int,
    *,
    user_power: float = 0.375,
    iterations: int = 3,
    oversample: int = 32,
    device: torch.device = CPU,
) -> Matrix:
    """Return right singular vectors of D^-user_power X I^-1/2, columns times S; float32 [n, d].

    X is users x repositories, D and I the stars of each user and of each repository. `user_power` below 1/2 gives
    long lists more weight. Randomised subspace iteration (Halko, Martinsson, Tropp 2011); both products are embedding
    bags, over the stars of each user and over the stargazers of each repository.
    Raises StarvecError when d exceeds what n repositories and the users can span.
    """
    users = len(corpus)
    if d > min(n, users):
        raise StarvecError(
            f"dim is {d} but {n} repositories and {users} users span at most {min(n, users)} dimensions: "
            f"set dim to {min(n, users)} or less, or choose the init random"
        )
    stars = DeviceLists.load(corpus, device)
    stargazers = stars.transpose(n)
    by_user = stars.lengths.clamp(min=1).float().pow(-2 * user_power).unsqueeze(1)
    by_item = stargazers.lengths.clamp(min=1).float().rsqrt().unsqueeze(1)
    k = min(d + oversample, n, users)
    noise = np.random.default_rng(seed).standard_normal((n, k), dtype=np.float32)
    q = torch.linalg.qr(torch.from_numpy(noise).to(device))[0]
    with cpu_thread_pool(device) as pool:

        def gram(q: torch.Tensor) -> torch.Tensor:
            """Return X'X q with both scalings, [n, k]."""
            return stargazers.sums(stars.sums(q * by_item, pool).mul_(by_user), pool).mul_(by_item)

        for _ in range(iterations):
            q = torch.linalg.qr(gram(q))[0]
        values, axes = torch.linalg.eigh((q.T @ gram(q)).double())
    values, axes = values.flip(0)[:d].clamp(min=0), axes.flip(1)[:, :d]
    vectors = (q @ axes.float()) * values.sqrt()  # the eigenvalues of X'X are S squared
    return _fix_signs(vectors).float().cpu().numpy()


def ppmi_init(lists: RaggedArray, n: int, d: int, seed: int) -> Matrix:
    """Return left singular vectors of the positive pointwise mutual information of co-starring; float32 [n, d].

    A list's pairs count 1 / its length, contexts are smoothed by the power 0.75 (Levy, Goldberg, Dagan 2015). Uses one
    thread and memory for every pair of repositories starred together: for vocabularies of tens of thousands.
    Raises StarvecError when d is not below n, and beyond a billion pairs.
    """
    from scipy.sparse.linalg import svds

    lengths = lists.lengths
    pairs = int((lengths * lengths).sum())
    if pairs > MAX_PAIRS:
        raise StarvecError(
            f"init is 'ppmi' but the lists have {pairs:,} pairs of stars, more than {MAX_PAIRS:,}: "
            f"choose the init spectral, or fewer users"
        )
    if d >= n:
        raise StarvecError(f"init is 'ppmi' but dim is {d} of {n} repositories: set dim to {n - 1} or less")
    users = lists.matrix(n)
    repos = sp.csr_array(users.T)
    weight = (1 / lengths.clip(min=1)).astype(np.float32)
    sums = (repos @ (weight * (lengths - 1))).clip(min=1e-12)  # of every row of the counts
    contexts = sums**0.75
    by_column = (contexts.sum() / contexts).astype(np.float32)
    weighted = sp.csr_array(users * weight[:, None])
    blocks = []
    for start in range(0, n, ROWS):
        block = sp.coo_array(repos[start : start + ROWS] @ weighted)
        value = np.log(block.data * by_column[block.col] / sums[start + block.row].astype(np.float32))
        positive = (value > 0) & (block.col != block.row + start)
        entries = (value[positive].astype(np.float32), (block.row[positive], block.col[positive]))
        blocks.append(sp.csr_array(entries, shape=block.shape))
    counts = sp.csr_array(sp.vstack(blocks, format="csr"))
    initial = np.random.default_rng(seed).standard_normal(n, dtype=np.float32)
    vectors = svds(counts, d, tol=1e-2, v0=initial, return_singular_vectors="u")[0][:, ::-1]
    return _fix_signs(torch.from_numpy(vectors.copy())).numpy()


def _fix_signs(columns: torch.Tensor) -> torch.Tensor:
    """Make each column's largest entry positive, as the sign of a singular vector is arbitrary."""
    largest = columns.gather(0, columns.abs().argmax(dim=0, keepdim=True))
    return (columns * torch.where(largest < 0, -1, 1)).contiguous()
