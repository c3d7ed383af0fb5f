"""Processes that read hour files: one task a line on stdin, its coverage a line on stdout.

Not multiprocessing: a reader imports what it needs and no more (never the caller's main module), nothing is pickled,
and a reader whose parent was killed reads the end of its stdin and goes.
"""

import subprocess
import sys
from datetime import datetime
from pathlib import Path

import orjson

from starvec_assets.errors import StarvecError
from starvec_assets.stars.coverage import HourCoverage
from starvec_assets.stars.parts import fingerprint, write_part


class Reader:
    """One reading process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from starvec_assets.stars.readers import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def read(self, path: Path, hour: datetime, folder: Path) -> HourCoverage:
        """Have the hour file read into a part in `folder`.

        Raises StarvecError when the process fails or dies of it.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(orjson.dumps([str(path), hour, str(folder)]) + b"\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = b""
        if not answer:
            code = self._process.wait()
            raise StarvecError(
                f"the process that read {path} ended with code {code}: run again to go on from there"
                " (out of memory if the code is -9: take fewer workers)"
            )
        found = orjson.loads(answer)
        if "error" in found:
            raise StarvecError(
                f"cannot read {path} into {folder}: {found['error']}; mend that and run again to go on from there"
            )
        return HourCoverage(**(found | {"hour": hour}))

    def close(self) -> None:
        """End the process, in the middle of its work if need be."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()


def serve() -> None:
    """Read what stdin asks for until it ends."""
    for line in sys.stdin.buffer:
        path, hour, folder = orjson.loads(line)
        try:
            answer: object = write_part(Path(path), datetime.fromisoformat(hour), Path(folder), fingerprint(Path(path)))
        except OSError as error:
            answer = {"error": str(error)}
        sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
        sys.stdout.buffer.flush()
