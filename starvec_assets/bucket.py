"""Files of a bucket through fsspec: requests that fail are repeated, and what still fails is said with the way out."""

import logging
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TypeVar

from starvec_assets.errors import StarvecError, TransientError
from starvec_assets.files import remove, write_atomically

PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each repetition of a request that failed."""

log = logging.getLogger("starvec.store")
T = TypeVar("T")


class Bucket:
    """Files below `url`, any that fsspec knows; names are relative and separated by slashes.

    Every method raises StarvecError when the bucket still fails after the last of PAUSES.
    """

    def __init__(self, url: str) -> None:
        """Open the file system; raises StarvecError when fsspec does not know it."""
        import fsspec
        from fsspec.implementations.local import LocalFileSystem

        self.url = url.rstrip("/")
        try:
            # A cached listing would hide what other machines wrote meanwhile.
            self.fs, self.base = fsspec.core.url_to_fs(self.url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise StarvecError(
                f"artifact store {url}, set by STARVEC_BUCKET: {error}. For gs:// run: pip install 'starvec[gcs]'"
            ) from error
        self._is_local = isinstance(self.fs, LocalFileSystem)

    def read_text(self, name: str) -> str | None:
        """Return a file's text, None if there is no such file."""

        def read() -> str | None:
            try:
                return str(self.fs.cat_file(f"{self.base}/{name}").decode(errors="replace"))
            except FileNotFoundError:
                return None

        return self._repeat("read", name, read)

    def write_text(self, name: str, text: str) -> None:
        """Replace a file: a reader sees the old text or the new wherever the store can replace a file as a whole."""

        def write() -> None:
            path = PurePosixPath(self.base, name)
            self.fs.makedirs(str(path.parent), exist_ok=True)
            if not self._is_local:
                self.fs.pipe_file(str(path), text.encode())
                return
            for left in Path(path.parent).glob(f".{path.name}.*.part"):  # by a writer that was killed
                left.unlink(missing_ok=True)
            write_atomically(Path(path), text)  # fsspec would empty the file, then fill it

        self._repeat("written", name, write)

    def upload(self, file: Path, name: str) -> None:
        """Copy a file into the bucket, and check that it has the same size there."""

        def put() -> None:
            path = f"{self.base}/{name}"
            self.fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            self.fs.put_file(str(file), path)
            if (size := self.fs.size(path)) != file.stat().st_size:
                raise OSError(f"{size} of {file.stat().st_size} bytes arrived")

        self._repeat("written", name, put)

    def download(self, name: str, file: Path) -> None:
        """Copy a file out of the bucket."""
        self._repeat("read", name, lambda: self.fs.get_file(f"{self.base}/{name}", str(file)))

    def names(self, folder: str, depth: int | None = None) -> list[str]:
        """Return the files below a folder, relative to it, in order; those at most `depth` levels down."""
        prefix = f"{self.base}/{folder}/"
        paths: list[str] = self._repeat("listed", folder, lambda: self.fs.find(prefix, maxdepth=depth))
        return sorted(path.removeprefix(prefix) for path in paths)

    def delete(self, folder: str) -> None:
        """Delete a folder with all that is in it, if it is there."""

        def delete() -> None:
            if self._is_local:
                remove(Path(f"{self.base}/{folder}"))
                return
            for name in self.names(folder):
                self.fs.rm_file(f"{self.base}/{folder}/{name}")  # rm takes its argument for a pattern

        self._repeat("deleted", folder, delete)

    def _repeat(self, what: str, name: str, request: Callable[[], T]) -> T:
        pauses = iter(PAUSES)
        while True:
            try:
                return request()
            except Exception as error:  # each file system raises its own
                fault = f"{self.url}/{name} cannot be {what} ({type(error).__name__}: {str(error)[:200]})"
                pause = next(pauses, None)
                if pause is None:
                    raise TransientError(
                        f"{fault}, after {len(PAUSES) + 1} attempts: check the network, the credentials, and "
                        "STARVEC_BUCKET, and run again"
                    ) from error
                log.warning("%s: once more in %g s", fault, pause)
                time.sleep(pause)
