"""Processes that read hour files: one task per line on stdin, its coverage as a line on stdout.

Not multiprocessing, because a reader imports only what it needs (never the caller's main module), pickles nothing, and
ends with its parent.
"""

import subprocess
import sys
from dataclasses import asdict
from datetime import datetime
from importlib.abc import MetaPathFinder
from pathlib import Path

import orjson

from starvec_assets.children import lines_from_parent, start_child, terminate
from starvec_assets.errors import StarvecError
from starvec_assets.ingest.coverage import HourCoverage
from starvec_assets.ingest.hour_cache import cache_hour
from starvec_assets.ingest.hour_parser import HourLimits


class ReaderProcess:
    """A process that reads hour files, started with its first task."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, path: Path, hour: datetime, folder: Path, limits: HourLimits) -> HourCoverage:
        """Read an hour file into the hour cache in `folder`, and return its coverage.

        Raises StarvecError when the process reports an error or dies.
        """
        if self._process is None:
            self._process = start_child([sys.executable, "-m", __name__], stdout=subprocess.PIPE)
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(orjson.dumps([str(path), hour, str(folder), asdict(limits)]) + b"\n")
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
        coverage = orjson.loads(answer)
        if "error" in coverage:
            raise StarvecError(f"cannot read {path} into {folder}: {coverage['error']}; mend that and run again")
        return HourCoverage(**(coverage | {"hour": hour}))

    def close(self) -> None:
        """Terminate the process, even while it reads."""
        if self._process:
            terminate(self._process)


class BlockPandas(MetaPathFinder):
    """Import hook that keeps pyarrow from importing pandas, which takes longer than many small hours.

    A None in sys.modules does not: pyarrow takes it for the module.
    """

    def find_spec(self, fullname: str, *_: object) -> None:
        """Raise ImportError for pandas, find nothing otherwise."""
        if fullname == "pandas":
            raise ImportError(fullname)


def serve() -> None:
    """Read the hour files that the parent names, until it ends."""
    sys.meta_path.insert(0, BlockPandas())
    for line in lines_from_parent():
        path, hour, folder, limits = orjson.loads(line)
        try:
            answer: object = cache_hour(Path(path), datetime.fromisoformat(hour), Path(folder), HourLimits(**limits))
        except OSError as error:
            answer = {"error": str(error)}
        sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    serve()
