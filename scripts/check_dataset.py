"""Read a dataset folder with the libraries that others will use, without a network, and print what each of them found.

    starvec dataset --to DIR
    python scripts/check_dataset.py DIR [--environment FOLDER]

mlcroissant, datasets, pandas and safetensors are installed into an environment of their own, of about 450 MB, which is
kept in FOLDER if one is given. Croissant's checksums, columns and types are compared when records are read: all record
sets are, ten records of each. Lines of the card that open the dataset are executed as they are written there.
"""

import argparse
import re
import socket
import subprocess
import sys
import tempfile
import venv
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ["mlcroissant==1.1.1", "datasets>=4", "pandas", "safetensors", "duckdb", "pyarrow"]
RECORDS = 10


def read_croissant(folder: Path) -> list[str]:
    """Return a line for each record set of croissant.json; raises mlcroissant's errors for what does not fit."""
    import mlcroissant

    dataset = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))
    issues = dataset.metadata.ctx.issues.report()
    lines = [f"croissant.json: {issues or 'valid, no warning'}"]
    for record_set in dataset.metadata.record_sets:
        records = list(islice(dataset.records(record_set.name), RECORDS))
        lines.append(f"croissant {record_set.name}: {len(records[0])} fields, {len(records)} records read")
    return lines


def run_lines_of_the_card(folder: Path) -> list[str]:
    """Execute each line of the card's "Open it", in the folder, and return what it gave."""
    import datasets
    import duckdb
    import pandas
    import safetensors.numpy

    modules = {"duckdb": duckdb, "pandas": pandas, "datasets": datasets, "safetensors": safetensors}
    card = (folder / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^## Open it\n```\n(.*?)```$", card, re.MULTILINE | re.DOTALL)
    found = []
    for line in block.splitlines():
        value = eval(line, modules)  # of a card that this project wrote
        found.append(f"{line[:60]}: {type(value).__name__} {getattr(value, 'shape', '')}")
    return found


def refuse_connections() -> None:
    """Make every connection of this process fail: what is read must be in the folder."""

    def refuse(*arguments: object) -> None:
        raise OSError("the dataset is read without a network")

    socket.socket.connect = refuse  # type: ignore[method-assign]


def main() -> None:
    """Make the environment and read the folder in it; inside it, print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--environment", type=Path, help="folder of the environment; kept")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    folder = arguments.folder.absolute()
    if arguments.inside:
        refuse_connections()
        for line in [*read_croissant(folder), *run_lines_of_the_card(folder)]:
            print(line)
        return
    with tempfile.TemporaryDirectory() as temporary:
        environment = arguments.environment or Path(temporary)
        python = environment.absolute() / "bin" / "python"
        if not python.exists():
            venv.create(environment, with_pip=True)
        install = [python, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", *PACKAGES]
        subprocess.run(install, check=True)
        # No cache outside the temporary folder.
        variables = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": temporary, "HOME": temporary}
        inside = [python, __file__, folder, "--inside"]
        sys.exit(subprocess.run(inside, env=variables, cwd=folder, check=False).returncode)


if __name__ == "__main__":
    main()
