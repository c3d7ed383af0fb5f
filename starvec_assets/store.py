"""Versioned artifacts in a folder, mirrored to a bucket where one is given.

    <root>/<asset>/<version>/...files, manifest.json        <root>/<asset>/LATEST        <root>/<asset>/.lock

A version is written to a temporary folder, every file fsynced and hashed, the manifest last, and then renamed into
place: a version that can be found by its name is complete. LATEST is replaced by rename after that. A partition of an
asset is an asset of its own, named `raw_stars/2024-01`.
"""

import contextlib
import hashlib
import json
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from starvec_assets.errors import StarvecError
from starvec_assets.files import disk_full_as_error, exclusive_lock, fsync, sha256, write_atomically

_VERSION = re.compile(r"\d{8}T\d{12}Z-[0-9a-f]{12}")
_ASSET = re.compile(r"[a-z][a-z0-9_]*(/\d{4}-\d{2})?")


class MissingArtifact(StarvecError):
    """The asset was never materialized in this store."""


class CorruptArtifact(StarvecError):
    """LATEST, a manifest or a file differs from what was written."""


@dataclass(frozen=True)
class Manifest:
    """Content of manifest.json.

    `files` maps name to [bytes, sha256]; `inputs` maps asset to [version, content hash]; `provenance` names the sources
    of the stars and includes those of the inputs.
    """

    asset: str
    version: str
    content_hash: str
    code_version: str
    created: str
    seconds: float
    inputs: dict[str, list[str]]
    config: dict[str, Any]
    provenance: list[str]
    rows: dict[str, int]
    facts: dict[str, Any]
    files: dict[str, list[Any]]


@dataclass(frozen=True)
class Artifact:
    """One complete version: a folder of files that match their manifest."""

    path: Path
    manifest: Manifest

    @property
    def asset(self) -> str:
        """`trained_embeddings`, or `raw_stars/2024-01` for a partition."""
        return self.manifest.asset

    @property
    def content_hash(self) -> str:
        """SHA-256 over the names and hashes of all files but the manifest: equal content, equal hash."""
        return self.manifest.content_hash

    @property
    def size(self) -> int:
        """Bytes of all files but the manifest."""
        return sum(size for size, _ in self.manifest.files.values())


@dataclass
class Draft:
    """A version being written: fill `path`, set `rows` and `facts`, append to `inputs` what else was read.

    `artifact` is set when the with block has ended.
    """

    path: Path
    inputs: list[Artifact] = field(default_factory=list)
    provenance: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    artifact: Artifact | None = None

    def done(self) -> Artifact:
        """Return the finished artifact; raises RuntimeError inside the with block."""
        if self.artifact is None:
            raise RuntimeError("the draft is still being written")
        return self.artifact


class ArtifactStore:
    """Artifacts under `root`; with `bucket` (any fsspec URL, e.g. gs://bucket/prefix) `root` is a cache of it."""

    def __init__(self, root: Path, bucket: str = "", keep: int = 3) -> None:
        self.root = root
        self.keep = max(1, keep)
        self._verified: set[Path] = set()
        self._remote = _Remote(bucket) if bucket else None

    def latest(self, asset: str) -> Artifact:
        """Return the newest version of `asset`, every file checked against its hash once a process.

        Raises MissingArtifact when there is none, CorruptArtifact when LATEST, the manifest or a file is damaged.
        """
        folder = self._folder(asset)
        text = self._remote.read_text(f"{asset}/LATEST") if self._remote else _read_text(folder / "LATEST")
        if text is None:
            raise MissingArtifact(f"{asset} is not in {self.where}: materialize {asset.split('/')[0]} first")
        version = text.strip()
        if not _VERSION.fullmatch(version):
            raise CorruptArtifact(
                f"{self.where}/{asset}/LATEST reads {version[:80]!r}, which is not a version. Versions there: "
                f"{', '.join(self.versions(asset)) or 'none'}. Write one of them into it, or materialize {asset} again"
            )
        return self.open(asset, version)

    def find(self, asset: str) -> Artifact | None:
        """Return the newest version, or None when the asset was never materialized; damage raises CorruptArtifact."""
        try:
            return self.latest(asset)
        except MissingArtifact:
            return None

    def open(self, asset: str, version: str) -> Artifact:
        """Return a given version of `asset`; errors as in `latest`."""
        path = self._folder(asset) / version
        if self._remote and not path.exists():
            self._remote.download(f"{asset}/{version}", path)
        return self._check(asset, path)

    def versions(self, asset: str) -> list[str]:
        """List the complete versions in the local folder, oldest first."""
        folder = self._folder(asset)
        return sorted(p.name for p in folder.iterdir() if _VERSION.fullmatch(p.name)) if folder.is_dir() else []

    def partitions(self, asset: str) -> list[str]:
        """List the partitions of `asset` that have a version, in order."""
        if self._remote:
            return self._remote.partitions(asset)
        return sorted(p.parent.name for p in (self.root / asset).glob("????-??/LATEST"))

    @property
    def where(self) -> str:
        """Location for messages: the URL of the bucket, or the folder."""
        return self._remote.url if self._remote else str(self.root)

    @contextlib.contextmanager
    def write(
        self,
        asset: str,
        *,
        code_version: str,
        inputs: Sequence[Artifact] = (),
        config: Mapping[str, Any] | None = None,
        provenance: Sequence[str] = (),
    ) -> Iterator[Draft]:
        """Yield a draft to fill; it becomes the newest version when the block ends and is removed when it fails.

        Raises LockBusy when another process writes the same asset, StarvecError when the disk is full.
        """
        folder = self._folder(asset)
        started = time.monotonic()
        with disk_full_as_error(folder), exclusive_lock(folder / ".lock", f"{asset} is being written"):
            for abandoned in folder.glob(".draft-*"):
                shutil.rmtree(abandoned)
            draft = Draft(Path(tempfile.mkdtemp(prefix=".draft-", dir=folder)), list(inputs), list(provenance))
            try:
                yield draft
                manifest = _manifest(asset, draft, code_version, dict(config or {}), time.monotonic() - started)
                self._publish(draft.path, manifest)
            except BaseException:
                shutil.rmtree(draft.path, ignore_errors=True)
                raise
            final = folder / manifest.version
            self._verified.add(final)
            draft.artifact = Artifact(final, manifest)
            self._prune(asset, manifest.version)

    def _publish(self, draft: Path, manifest: Manifest) -> None:
        """Write the manifest, rename the draft to its version, upload it, and point LATEST to it."""
        folder = self._folder(manifest.asset)
        directories = {parent for name in manifest.files for parent in PurePosixPath(name).parents}
        for path in [*map(PurePosixPath, manifest.files), *sorted(directories)]:
            fsync(draft / path)
        write_atomically(draft / "manifest.json", json.dumps(asdict(manifest), indent=1) + "\n")
        final = folder / manifest.version
        draft.rename(final)
        fsync(folder)
        if self._remote:
            self._remote.upload(final, f"{manifest.asset}/{manifest.version}")
            self._remote.write_text(f"{manifest.asset}/LATEST", manifest.version)
        write_atomically(folder / "LATEST", manifest.version + "\n")

    def _folder(self, asset: str) -> Path:
        if not _ASSET.fullmatch(asset):
            raise StarvecError(f"{asset!r} is not an asset name: use an asset key, or key/YYYY-MM for a partition")
        return self.root / asset

    def _check(self, asset: str, path: Path) -> Artifact:
        remedy = f"materialize {asset} again, or write an older version into {self.where}/{asset}/LATEST"
        if self._remote:
            remedy = f"delete {path}, so that it is fetched from {self.where} again, or {remedy}"
        text = _read_text(path / "manifest.json")
        if text is None:
            raise CorruptArtifact(f"{path} has no manifest.json: {remedy}")
        try:
            manifest = Manifest(**json.loads(text))
            files = {str(name): (int(size), str(digest)) for name, (size, digest) in manifest.files.items()}
        except (ValueError, TypeError, AttributeError) as error:
            raise CorruptArtifact(f"{path}/manifest.json cannot be read ({error}): {remedy}") from error
        if (manifest.asset, manifest.version) != (asset, path.name):
            raise CorruptArtifact(f"{path}/manifest.json is of {manifest.asset} {manifest.version}: {remedy}")
        for name, (size, digest) in files.items():
            file = path / name
            if not file.resolve().is_relative_to(path.resolve()):
                raise CorruptArtifact(f"{path}/manifest.json names {name!r}, outside its folder: {remedy}")
            if not file.is_file():
                raise CorruptArtifact(f"{file} is missing: {remedy}")
            if file.stat().st_size != size or (path not in self._verified and sha256(file) != digest):
                raise CorruptArtifact(f"{file} differs from what was written: {remedy}")
        self._verified.add(path)
        return Artifact(path, manifest)

    def _prune(self, asset: str, newest: str) -> None:
        # The newest is not the last by name when a clock went back or another machine's clock is ahead.
        before = [version for version in self.versions(asset) if version != newest]
        for version in before[: max(0, len(before) + 1 - self.keep)]:
            # Renamed first: a half-deleted version must not be found by its name.
            deleted = self._folder(asset) / f".draft-{version}"
            (self._folder(asset) / version).rename(deleted)
            shutil.rmtree(deleted)


class MonthlyArtifacts:
    """Versions of a monthly asset; those that are opened are recorded as inputs of the asset that reads them."""

    def __init__(self, asset: str, store: ArtifactStore) -> None:
        self.asset, self._store = asset, store
        self.opened: list[Artifact] = []

    def months(self) -> list[str]:
        """List the months that have a version, in order."""
        return self._store.partitions(self.asset)

    def peek(self, month: str) -> Artifact:
        """Open the newest version of a month without recording it; raises what `ArtifactStore.latest` raises."""
        return self._store.latest(f"{self.asset}/{month}")

    def latest(self, month: str) -> Artifact:
        """Open the newest version of a month; raises what `ArtifactStore.latest` raises."""
        return self._open(self.peek(month))

    def recorded_in(self, star_log: Artifact) -> list[Artifact]:
        """Open the versions that `star_log` was made from, oldest month first.

        Raises StarvecError when one of them is no longer there.
        """
        inputs = sorted((name, version) for name, (version, _) in star_log.manifest.inputs.items())
        try:
            return [self._open(self._store.open(n, v)) for n, v in inputs if n.startswith(f"{self.asset}/")]
        except CorruptArtifact as error:
            raise StarvecError(
                f"star_log lists months that are no longer there; materialize star_log again ({error})"
            ) from error

    def _open(self, artifact: Artifact) -> Artifact:
        self.opened.append(artifact)
        return artifact


class _Remote:
    """The same layout on an fsspec file system; manifest.json is uploaded last, LATEST after it."""

    def __init__(self, url: str) -> None:
        import fsspec

        self.url = url.rstrip("/")
        try:
            # A cached listing would hide what other machines wrote meanwhile.
            self.fs, self.base = fsspec.core.url_to_fs(self.url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise StarvecError(f"artifact store {url}: {error}. For gs:// run: pip install 'starvec[gcs]'") from error

    def read_text(self, name: str) -> str | None:
        try:
            return str(self.fs.cat_file(f"{self.base}/{name}").decode())
        except FileNotFoundError:
            return None
        except Exception as error:  # each file system raises its own
            raise StarvecError(
                f"{self.url}/{name} cannot be read ({type(error).__name__}: {str(error)[:200]}): check the network, "
                "the credentials, and STARVEC_BUCKET"
            ) from error

    def write_text(self, name: str, text: str) -> None:
        self.fs.pipe_file(f"{self.base}/{name}", text.encode())

    def upload(self, folder: Path, name: str) -> None:
        files = [p for p in sorted(folder.rglob("*")) if p.is_file()]
        for file in sorted(files, key=lambda p: p == folder / "manifest.json"):
            target = f"{self.base}/{name}/{file.relative_to(folder).as_posix()}"
            self.fs.makedirs(target.rpartition("/")[0], exist_ok=True)
            self.fs.put_file(str(file), target)

    def download(self, name: str, folder: Path) -> None:
        if not self.fs.exists(f"{self.base}/{name}/manifest.json"):
            raise CorruptArtifact(f"{self.url}/{name} has no manifest.json: materialize {name.rsplit('/', 1)[0]} again")
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Not named like a draft: readers hold no lock, and the next writer removes drafts.
        with tempfile.TemporaryDirectory(prefix=".download-", dir=folder.parent) as temporary:
            version = Path(temporary, "version")
            for source in self.fs.find(f"{self.base}/{name}"):
                target = version / source.rpartition(f"/{name}/")[2]
                if ".." in target.parts:
                    raise CorruptArtifact(f"{self.url}/{name} has a file outside its folder, {source!r}: delete it")
                target.parent.mkdir(parents=True, exist_ok=True)
                self.fs.get_file(source, str(target))
            try:
                version.rename(folder)
            except OSError:
                if not folder.exists():  # otherwise another process fetched the same version meanwhile
                    raise

    def partitions(self, asset: str) -> list[str]:
        return sorted(Path(p).parent.name for p in self.fs.glob(f"{self.base}/{asset}/????-??/LATEST"))


def _read_text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return None


def _manifest(asset: str, draft: Draft, code_version: str, config: dict[str, Any], seconds: float) -> Manifest:
    """Hash the files of a draft and describe them."""
    files = {
        path.relative_to(draft.path).as_posix(): [path.stat().st_size, sha256(path)]
        for path in sorted(draft.path.rglob("*"))
        if path.is_file()
    }
    content_hash = hashlib.sha256(
        json.dumps({name: digest for name, (_, digest) in files.items()}).encode()
    ).hexdigest()
    now = datetime.now(UTC)
    return Manifest(
        asset=asset,
        version=f"{now:%Y%m%dT%H%M%S%f}Z-{content_hash[:12]}",
        content_hash=content_hash,
        code_version=code_version,
        created=now.isoformat(timespec="seconds"),
        seconds=round(seconds, 3),
        inputs={artifact.asset: [artifact.manifest.version, artifact.content_hash] for artifact in draft.inputs},
        config=config,
        provenance=sorted({*draft.provenance, *(name for a in draft.inputs for name in a.manifest.provenance)}),
        rows=draft.rows,
        facts=draft.facts,
        files=files,
    )
