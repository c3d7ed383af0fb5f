"""Code digests change with the statements that numbers depend on, and with nothing else."""

import shutil
from pathlib import Path

import pytest

from starvec_assets.training.fingerprint import EXCLUDED, PACKAGE, TRAINING, code_digest, dependencies

TRIAL = "starvec_assets.training.trial"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    copied = tmp_path / "starvec_assets"
    shutil.copytree(
        PACKAGE, copied, ignore=lambda folder, names: [n for n in names if Path(n).suffix not in ("", ".py")]
    )
    return copied


def edit(package: Path, path: str, old: str, new: str) -> None:
    text = (package / path).read_text()
    assert old in text
    (package / path).write_text(text.replace(old, new, 1))
    code_digest.cache_clear()


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("training/losses.py", "LOG2_E = 1 / math.log(2)", "LOG2_E = 1 / math.log(3)"),
        ("training/row_softmax.py", "mat.float() / self.temperature", "mat.float()"),
        ("training/sampler.py", "lengths // 2", "lengths // 3"),
        ("training/optimizer.py", "0.9, 0.99", "0.9, 0.999"),
        ("training/trainer.py", "WARM_UP = 0.02", "WARM_UP = 0.03"),
        ("training/init_vectors.py", "contexts = sums**0.75", "contexts = sums"),
        ("training/cooccurrence.py", "discount: float = 0.3", "discount: float = 0.4"),
        ("training/epoch_metrics.py", "self.heldout_mrr * self.heldout_recall_50", "self.heldout_mrr"),
        ("vectors.py", "POPULARITY_EXPONENT = 0.1", "POPULARITY_EXPONENT = 0.2"),
        ("ragged.py", "np.diff(self.offsets)", "np.diff(self.offsets) + 0"),
        ("ranking/heldout.py", "k: int = 50", "k: int = 49"),
        ("ranking/search.py", "import math", "import math\nADDED = 1"),
    ],
)
def test_a_changed_statement_changes_the_digests(package: Path, path: str, old: str, new: str) -> None:
    before = [code_digest(root, package) for root in (TRAINING, TRIAL)]
    edit(package, path, old, new)
    assert all(code_digest(root, package) != digest for root, digest in zip((TRAINING, TRIAL), before, strict=True))


def test_what_scores_a_trial_alone_leaves_checkpoints_valid(package: Path) -> None:
    before, scored = code_digest(TRAINING, package), code_digest(TRIAL, package)
    edit(package, "ranking/groups.py", "(10, 100)", "(10, 50)")
    assert code_digest(TRAINING, package) == before
    assert code_digest(TRIAL, package) != scored


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("training/losses.py", "LOG2_E = ", "# a comment\nLOG2_E  =  "),
        ("training/losses.py", '"""Contrastive losses', '"""Other words for contrastive losses'),
        ("training/trainer.py", '"""Look up', '"""Find'),
        ("training/settings.py", "dimensions of a vector", "length of a vector"),
        ("training/report.py", "Held-out users by epoch", "Held-out users"),
        ("training/sweep.py", "MAX_TRIALS = 200", "MAX_TRIALS = 300"),
        ("progress.py", "leave=False", "leave=True"),
        ("plots.py", "import numpy", "import math\nimport numpy"),
        ("evaluation/evaluate.py", "import", "import math\nimport"),
        ("export/quantization.py", "import", "import math\nimport"),
    ],
)
def test_comments_docstrings_formatting_and_unrelated_modules_do_not(
    package: Path, path: str, old: str, new: str
) -> None:
    before = [code_digest(root, package) for root in (TRAINING, TRIAL)]
    edit(package, path, old, new)
    assert [code_digest(root, package) for root in (TRAINING, TRIAL)] == before


def test_every_training_module_is_either_followed_or_excluded_for_a_reason() -> None:
    followed = set(dependencies(TRIAL))
    outside = {"__init__", "launch", "report", "sweep"}  # start, show and repeat trainings
    modules = {path.stem for path in (PACKAGE / "training").glob("*.py")} - outside
    assert {f"starvec_assets.training.{name}" for name in modules} <= followed | set(EXCLUDED)


def test_no_exclusion_is_stale() -> None:
    imported = " ".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    for module in EXCLUDED:
        assert PACKAGE.joinpath(*module.split(".")[1:]).with_suffix(".py").is_file(), module
        assert module.rpartition(".")[2] in imported
    assert not set(dependencies(TRIAL)) & set(EXCLUDED)
