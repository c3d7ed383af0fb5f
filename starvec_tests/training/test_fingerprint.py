"""Code digests change with the statements that numbers depend on, and with nothing else."""

import re
import shutil
from pathlib import Path

import pytest

from starvec_assets.training.fingerprint import EXCLUDED, PACKAGE, TRAINING, code_digest, dependencies

TRIAL = "starvec_assets.training.trial"


Digests = tuple[str, str]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copied = tmp_path_factory.mktemp("code") / "starvec_assets"
    for path in PACKAGE.rglob("*.py"):
        (copied / path.relative_to(PACKAGE)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copied / path.relative_to(PACKAGE))
    return copied


def digests(package: Path) -> Digests:
    """Digests of the code of a training, and of a trial of the sweep."""
    return code_digest(TRAINING, package), code_digest(TRIAL, package)


@pytest.fixture(scope="module")
def before(package: Path) -> Digests:
    return digests(package)


def after_edit(package: Path, path: str, old: str, new: str) -> Digests:
    text = (package / path).read_text()
    assert old in text
    (package / path).write_text(text.replace(old, new, 1))
    try:
        return digests(package)
    finally:
        (package / path).write_text(text)


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("training/losses.py", "LOG2_E = 1 / math.log(2)", "LOG2_E = 1 / math.log(3)"),
        ("training/postprocess.py", "SHRINKAGE = 60", "SHRINKAGE = 70"),
        ("training/row_softmax.py", "mat.float() / self.temperature", "mat.float()"),
        ("training/sampler.py", "lengths // 2", "lengths // 3"),
        ("training/optimizer.py", "0.9, 0.99", "0.9, 0.999"),
        ("training/trainer.py", "WARM_UP = 0.02", "WARM_UP = 0.03"),
        ("training/init_vectors.py", "contexts = sums**0.75", "contexts = sums"),
        ("training/cooccurrence.py", "discount: float = 0.3", "discount: float = 0.4"),
        ("training/epoch_metrics.py", "self.heldout_mrr_100 * self.heldout_recall_50", "self.heldout_mrr_100"),
        ("vectors.py", "POPULARITY_EXPONENT = 0.1", "POPULARITY_EXPONENT = 0.2"),
        ("ragged.py", "np.diff(self.offsets)", "np.diff(self.offsets) + 0"),
        ("ranking/heldout.py", "k: int = 50", "k: int = 49"),
        ("ranking/search.py", "import math", "import math\nADDED = 1"),
    ],
)
def test_a_changed_statement_changes_the_digests(package: Path, before: Digests, path: str, old: str, new: str) -> None:
    training, trial = after_edit(package, path, old, new)
    assert training != before[0]
    assert trial != before[1]


def test_code_that_scores_trials_only_leaves_checkpoints_valid(package: Path, before: Digests) -> None:
    training, trial = after_edit(package, "ranking/groups.py", "(10, 100)", "(10, 50)")
    assert training == before[0]
    assert trial != before[1]


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("training/losses.py", "LOG2_E = ", "# a comment\nLOG2_E  =  "),
        ("training/losses.py", '"""Contrastive losses', '"""Other words for contrastive losses'),
        ("training/trainer.py", '"""Look up', '"""Find'),
        ("training/settings.py", "dimensions of a vector", "length of a vector"),
        ("training/report.py", "scores by epoch", "scores"),
        ("text/vectors.py", "PCA_ROWS = 1 << 14", "PCA_ROWS = 1 << 13"),
        ("training/sweep.py", "MAX_TRIALS = 200", "MAX_TRIALS = 300"),
        ("progress.py", "leave=False", "leave=True"),
        ("plots.py", "import numpy", "import math\nimport numpy"),
        ("evaluation/evaluate.py", "import", "import math\nimport"),
        ("quantization.py", "import", "import math\nimport"),
    ],
)
def test_comments_docstrings_formatting_and_unrelated_modules_do_not(
    package: Path, before: Digests, path: str, old: str, new: str
) -> None:
    assert after_edit(package, path, old, new) == before


def test_every_training_module_is_either_followed_or_excluded_for_a_reason() -> None:
    followed = set(dependencies(TRIAL))
    outside = {"__init__", "launch", "report", "sweep"}  # start, show and repeat trainings
    modules = {path.stem for path in (PACKAGE / "training").glob("*.py")} - outside
    assert {f"starvec_assets.training.{name}" for name in modules} <= followed | set(EXCLUDED)


def test_each_exclusion_is_imported_by_a_module_that_counts() -> None:
    statements = "\n".join(dependencies(TRIAL).values())
    for module in EXCLUDED:
        package, _, name = module.rpartition(".")
        assert re.search(rf"from {module} import|from {package} import .*\b{name}\b", statements), module


def test_every_form_of_import_is_followed(tmp_path: Path) -> None:
    package = tmp_path / "some"
    (package / "inner").mkdir(parents=True)
    root = """
import numpy
import some.plain
from some import named
from some.inner import module as other
from some.inner.function import f
def late():
    from some.late import g
"""
    (package / "root.py").write_text(root)
    paths = ("plain", "named", "inner/module", "inner/function", "late", "unrelated")
    for path in paths:
        (package / f"{path}.py").write_text("")
    expected = {f"some.{path.replace('/', '.')}" for path in paths if path != "unrelated"}
    assert set(dependencies("some.root", package)) == {"some.root", *expected}
