"""Processes that read hour files: one task a line on stdin, its coverage a line on stdout.

Not multiprocessing: a reader imports what it needs and no more (never the caller's main module), nothing is pickled,
and a reader ends with its parent.
"""

import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType

import orjson

from starvec_assets.children import lines_from_parent, start_child, terminate
from starvec_assets.errors import StarvecError
from starvec_assets.ingest.coverage import HourCoverage
from starvec_assets.ingest.hour_cache import cache_hour

PACKAGES = Path(__file__).parents[2]
PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); from starvec_assets.ingest.reader_processes import serve; serve()"
)


class ReaderProcess:
    """One reading process, started with its first task."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, path: Path, hour: datetime, folder: Path, max_repo_facts: int) -> HourCoverage:
        """Have the hour file read into a part in `folder`.

        Raises StarvecError when the process fails or dies of it.
        """
        process = self._process = self._process or start_child(
            [sys.executable, "-c", PROGRAM, str(PACKAGES)], stdout=subprocess.PIPE
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(orjson.dumps([str(path), hour, str(folder), max_repo_facts]) + b"\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = b""
        if not answer:
            code = process.wait()
            raise StarvecError(
                f"the process that read {path} ended with code {code}: run again to go on from there"
                " (-9 is often a lack of memory: take fewer workers)"
            )
        found = orjson.loads(answer)
        if "error" in found:
            raise StarvecError(f"cannot read {path} into {folder}: {found['error']}; mend that and run again")
        return HourCoverage(**(found | {"hour": hour}))

    def close(self) -> None:
        """End the process, in the middle of its work if need be."""
        if self._process:
            terminate(self._process)


class BlockPandas(MetaPathFinder):
    """Keeps pyarrow from importing pandas at its first array, which takes longer than many small hours."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        """Find nothing; raises ImportError for pandas."""
        if fullname == "pandas":
            raise ImportError(fullname)


def serve() -> None:
    """Read the hour files that the parent names, until it ends."""
    sys.meta_path.insert(0, BlockPandas())
    for line in lines_from_parent():
        path, hour, folder, max_repo_facts = orjson.loads(line)
        try:
            answer: object = cache_hour(Path(path), datetime.fromisoformat(hour), Path(folder), max_repo_facts)
        except OSError as error:
            answer = {"error": str(error)}
        sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
        sys.stdout.buffer.flush()
