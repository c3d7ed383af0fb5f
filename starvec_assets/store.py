"""Versioned artifacts in a folder, mirrored to a bucket where one is given.

    <root>/<asset>/<version>/...files, manifest.json        <root>/<asset>/LATEST        <root>/<asset>/.lock

A version is written to a temporary folder, every file fsynced and hashed, the manifest last, and then renamed into
place: a version that can be found by its name is complete. LATEST is replaced by rename after that. Meanwhile
`.publishing` names the version, so that the next writer finishes or removes what a killed one left. A partition of an
asset is an asset of its own, named `raw_stars/2024-01`.

Artifacts that are made in one go, as those of a month are, are switched together: all are in place before LATEST of the
first one is replaced, and its manifest names the versions of the others (`MonthlyArtifacts.beside`).
"""

import contextlib
import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from pydantic import TypeAdapter, ValidationError

from starvec_assets.bucket import Bucket
from starvec_assets.config_base import format_validation_error
from starvec_assets.errors import StarvecError
from starvec_assets.files import (
    disk_faults_as_errors,
    exclusive_lock,
    fsync,
    locked_temp_dir,
    regular_files,
    remove,
    sha256,
    write_atomically,
)
from starvec_assets.paths import home

MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 16 << 20
_VERSION = re.compile(r"\d{8}T\d{12}Z-[0-9a-f]{12}")
_HALF_WRITTEN = (0.1, 0.2, 0.4, 0.8)  # seconds to wait where a bucket replaces a file in two steps, as SFTP does
_ASSET = re.compile(r"[a-z][a-z0-9_]*(/\d{4}-\d{2})?")


class MissingArtifact(StarvecError):
    """The asset was never materialized in this store."""


class CorruptArtifact(StarvecError):
    """LATEST, a manifest or a file differs from what was written."""


class _Fault(Exception):
    """What is wrong with a version, without the way out."""


@dataclass(frozen=True)
class Manifest:
    """Content of manifest.json.

    `files` maps name to bytes and sha256; `inputs` maps asset to version and content hash; `provenance` names the
    sources of the stars and includes those of the inputs; `together` maps each asset that was written in the same go to
    its version, in the manifest of the first of them.
    """

    asset: str
    version: str
    content_hash: str
    code_version: str
    created: str
    seconds: float
    inputs: dict[str, tuple[str, str]]
    config: dict[str, Any]
    provenance: list[str]
    rows: dict[str, int]
    facts: dict[str, Any]
    files: dict[str, tuple[int, str]]
    together: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, content: bytes) -> "Manifest":
        """Return the manifest of a JSON text; raises ValueError for another text, or one larger than 16 MiB."""
        if len(content) > MAX_MANIFEST_BYTES:
            raise ValueError(f"it is larger than {MAX_MANIFEST_BYTES >> 20} MiB")
        try:
            return _MANIFEST.validate_python(json.loads(content, parse_constant=_refuse_number))
        except ValidationError as error:
            raise ValueError(format_validation_error(error)) from error
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error

    def to_json(self) -> str:
        """Return the text that `parse` reads; raises ValueError for a number that JSON does not have."""
        return json.dumps(asdict(self), indent=1, allow_nan=False) + "\n"


_MANIFEST = TypeAdapter(Manifest)


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
        self._verified: dict[Path, tuple[int, int, int]] = {}  # inode, bytes and time of change of files once hashed
        self._bucket = Bucket(bucket) if bucket else None

    def latest(self, asset: str) -> Artifact:
        """Return the newest version of `asset`, every file checked against its hash unless this store did so before.

        Raises MissingArtifact when there is none, CorruptArtifact when LATEST, the manifest or a file is damaged.
        """
        version = self._newest(asset)
        while True:
            try:
                return self.open(asset, version)
            except CorruptArtifact:
                replacement = self._newest(asset)
                if replacement == version:  # otherwise it was replaced and removed meanwhile
                    raise
                version = replacement

    def find(self, asset: str) -> Artifact | None:
        """Return the newest version, or None when the asset was never materialized; damage raises CorruptArtifact."""
        try:
            return self.latest(asset)
        except MissingArtifact:
            return None

    def open(self, asset: str, version: str) -> Artifact:
        """Return a given version of `asset`; errors as in `latest`."""
        path = self._folder(asset) / version
        if self._bucket and not path.exists():
            self._download(self._bucket, asset, path)
        return self._check(asset, path)

    def roll_back(self, asset: str, version: str) -> list[Artifact]:
        """Make an earlier version the newest of `asset` again, and of the assets that were written together with it.

        Returns them, `asset` first; their files are proved before anything changes. Raises StarvecError for a version
        that is not there, CorruptArtifact for a damaged one, LockBusy while the asset is being written.
        """
        assets = [asset, *self._kept(asset, version).manifest.together]
        with contextlib.ExitStack() as stack:
            for name in assets:
                stack.enter_context(exclusive_lock(self._folder(name) / ".lock", f"{name} is being written"))
            self._settle(assets)
            first = self._kept(asset, version)
            artifacts = [first, *(self._kept(*other) for other in first.manifest.together.items())]
            for artifact in artifacts:
                self._point_latest(artifact.asset, artifact.manifest.version)
        return artifacts

    def versions(self, asset: str) -> list[str]:
        """List the complete versions in the local folder, oldest first, but the one that LATEST names last."""
        folder = self._folder(asset)
        if not folder.is_dir():
            return []
        newest = _read_text(folder / "LATEST")
        versions = (path.name for path in folder.iterdir() if _VERSION.fullmatch(path.name))
        return sorted(versions, key=lambda version: (version == newest, version))

    def partitions(self, asset: str) -> list[str]:
        """List the partitions of `asset` that have a version, in order."""
        if self._bucket:
            paths = map(PurePosixPath, self._bucket.names(asset, depth=2))
            return [path.parent.name for path in paths if path.name == "LATEST"]
        return sorted(p.parent.name for p in (self.root / asset).glob("????-??/LATEST"))

    @property
    def where(self) -> str:
        """Location for messages: the URL of the bucket, or the folder."""
        return self._bucket.url if self._bucket else str(self.root)

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

        Raises LockBusy when another process writes the same asset, StarvecError when the disk is full or its folder
        deleted, and when the bucket fails.
        """
        with self.write_together({asset: code_version}, inputs=inputs, config=config, provenance=provenance) as [draft]:
            yield draft

    @contextlib.contextmanager
    def write_together(
        self,
        code_versions: Mapping[str, str],
        *,
        inputs: Sequence[Artifact] = (),
        config: Mapping[str, Any] | None = None,
        provenance: Sequence[str] = (),
    ) -> Iterator[list[Draft]]:
        """Yield a draft for each asset, as `write` does for one; they are switched in one step when the block ends.

        That step replaces LATEST of the first asset, whose manifest names the versions of the others.
        """
        assets, started = list(code_versions), time.monotonic()

        def place(asset: str, draft: Draft, together: Mapping[str, str]) -> Manifest:
            seconds = round(time.monotonic() - started, 3)
            manifest = _manifest(asset, draft, code_versions[asset], dict(config or {}), seconds, dict(together))
            self._place(draft.path, manifest)
            return manifest

        with contextlib.ExitStack() as stack:
            stack.enter_context(disk_faults_as_errors(self.root))
            for asset in assets:
                stack.enter_context(exclusive_lock(self._folder(asset) / ".lock", f"{asset} is being written"))
            self._settle(assets)
            try:
                folders = [Path(tempfile.mkdtemp(prefix=".draft-", dir=self._folder(asset))) for asset in assets]
                drafts = [Draft(folder, list(inputs), list(provenance)) for folder in folders]
                yield drafts
                first, *others = zip(assets, drafts, strict=True)
                manifests = [place(asset, draft, {}) for asset, draft in others]
                manifests.insert(0, place(*first, {manifest.asset: manifest.version for manifest in manifests}))
                before = {asset: _read_text(self._folder(asset) / "LATEST") for asset in assets}
                for manifest in manifests:
                    self._switch(manifest.asset, manifest.version)
            except BaseException:
                with contextlib.suppress(OSError, StarvecError):  # the next writer settles what cannot be removed now
                    self._settle(assets)
                raise
            for draft, manifest in zip(drafts, manifests, strict=True):
                draft.artifact = Artifact(self._folder(manifest.asset) / manifest.version, manifest)
                self._prune(manifest.asset, manifest.version, before[manifest.asset])

    def _newest(self, asset: str) -> str:
        """Return the version that LATEST names; errors as in `latest`."""
        text = self._read_latest(asset)
        for pause in _HALF_WRITTEN if self._bucket else ():
            if text is None or _VERSION.fullmatch(text):
                break
            time.sleep(pause)
            text = self._read_latest(asset)
        if text is None:
            raise MissingArtifact(f"{asset} is not in {self.where}: materialize {asset.split('/')[0]} first")
        if not _VERSION.fullmatch(text):
            raise CorruptArtifact(
                f"{self.where}/{asset}/LATEST reads {text[:80]!r}, which is not a version. Versions there: "
                f"{', '.join(self.versions(asset)) or 'none'}. Go back to one of them by starvec rollback {asset} "
                f"VERSION, or materialize {asset} again"
            )
        return text

    def _read_latest(self, asset: str) -> str | None:
        path = self._folder(asset) / "LATEST"
        text = self._bucket.read_text(f"{asset}/LATEST") if self._bucket else _read_text(path)
        return None if text is None else text.strip()

    def _place(self, draft: Path, manifest: Manifest) -> None:
        """Write the manifest, rename the draft to its version and upload it; LATEST does not name it yet."""
        folder = self._folder(manifest.asset)
        directories = {parent for name in manifest.files for parent in PurePosixPath(name).parents}
        for path in [*map(PurePosixPath, manifest.files), *sorted(directories)]:
            fsync(draft / path)
        write_atomically(draft / MANIFEST, manifest.to_json())
        write_atomically(folder / ".publishing", manifest.version)
        final = folder / manifest.version
        draft.rename(final)
        fsync(folder)
        if self._bucket:
            for name in [*manifest.files, MANIFEST]:
                self._bucket.upload(final / name, f"{manifest.asset}/{manifest.version}/{name}")

    def _switch(self, asset: str, version: str) -> None:
        """Publish a version that is in its place."""
        self._point_latest(asset, version)
        (self._folder(asset) / ".publishing").unlink()

    def _point_latest(self, asset: str, version: str) -> None:
        if self._bucket:
            self._bucket.write_text(f"{asset}/LATEST", version)
        write_atomically(self._folder(asset) / "LATEST", version + "\n")

    def _kept(self, asset: str, version: str) -> Artifact:
        """Open a version that the operator named; raises StarvecError with those that are there for another text."""
        names_one = _VERSION.fullmatch(version) is not None
        is_there = names_one and (self._folder(asset) / version).is_dir()
        if not is_there and not (names_one and self._bucket and self._bucket.names(f"{asset}/{version}")):
            there = ", ".join(self.versions(asset)) or "none"
            raise StarvecError(f"{asset} has no version {version[:80]!r}; there are: {there} ({self.keep} are kept)")
        return self.open(asset, version)

    def _settle(self, assets: Sequence[str]) -> None:
        """Finish the publication of assets written together if LATEST of the first was replaced, else undo it."""
        interrupted = {a: version for a in assets if (version := _read_text(self._folder(a) / ".publishing"))}
        published: dict[str, str] = {}
        if interrupted and (newest := self._read_latest(assets[0])):
            published[assets[0]] = newest
            with contextlib.suppress(CorruptArtifact):
                published |= self.open(assets[0], newest).manifest.together
        for asset, version in interrupted.items():
            if version == published.get(asset):
                self._switch(asset, version)
                continue
            if _VERSION.fullmatch(version):
                if self._bucket:
                    self._bucket.delete(f"{asset}/{version}")
                self._remove(asset, version)
            (self._folder(asset) / ".publishing").unlink()
        for asset in assets:
            for left in (*self._folder(asset).glob(".draft-*"), *self._folder(asset).glob(".*.part")):
                remove(left)

    def _remove(self, asset: str, version: str) -> None:
        """Delete a version if it is there; renamed first, as a half-deleted one must not be found by its name."""
        path = self._folder(asset) / version
        if path.exists():
            remove(path.rename(path.with_name(f".draft-{version}")))

    def _folder(self, asset: str) -> Path:
        if not _ASSET.fullmatch(asset):
            raise StarvecError(f"{asset!r} is not an asset name: use an asset key, or key/YYYY-MM for a partition")
        return self.root / asset

    def _check(self, asset: str, path: Path) -> Artifact:
        """Return the version in `path` if it is what was written."""
        try:
            return Artifact(path, self._proved(asset, path))
        except _Fault as fault:
            remedy = f"materialize {asset} again, or go back to another version: starvec rollback {asset}"
            if self._bucket:
                remedy = f"delete {path}, so that it is fetched from {self.where} again, or {remedy}"
            raise CorruptArtifact(f"{fault}: {remedy}") from fault

    def _proved(self, asset: str, path: Path) -> Manifest:
        """Return the manifest of the version in `path`; raises _Fault unless all is there as written, and no more."""
        try:
            with (path / MANIFEST).open("rb") as file:
                manifest = Manifest.parse(file.read(MAX_MANIFEST_BYTES + 1))
            present = {file.relative_to(path).as_posix() for file in regular_files(path)} - {MANIFEST}
        except (FileNotFoundError, NotADirectoryError) as error:
            raise _Fault(f"{path} has no {MANIFEST}") from error
        except (OSError, ValueError) as error:
            raise _Fault(f"{path}/{MANIFEST} cannot be read ({error})") from error
        except StarvecError as error:
            raise _Fault(str(error)) from error
        if (manifest.asset, manifest.version) != (asset, path.name):
            raise _Fault(f"{path}/{MANIFEST} is of {manifest.asset!r} {manifest.version!r}")
        if lost := sorted(set(manifest.files) - present):
            raise _Fault(f"{path} lacks {lost[0]!r}, which its manifest names")
        if added := sorted(present - set(manifest.files)):
            raise _Fault(f"{path} has a file that its manifest does not name, {added[0]!r}")
        for name, (size, digest) in manifest.files.items():
            if not self._is_intact(path / name, size, digest):
                raise _Fault(f"{path / name} differs from what was written")
        if manifest.content_hash != content_hash(manifest.files) or not path.name.endswith(manifest.content_hash[:12]):
            raise _Fault(f"the content hash in {path}/{MANIFEST} is not that of its files")
        return manifest

    def _is_intact(self, file: Path, size: int, digest: str) -> bool:
        try:
            found = file.stat()
            state = found.st_ino, found.st_size, found.st_mtime_ns
            if found.st_size == size and self._verified.get(file) != state and sha256(file) == digest:
                self._verified[file] = state
        except OSError as error:
            raise _Fault(f"{file} cannot be read ({error.strerror})") from error
        return found.st_size == size and self._verified.get(file) == state

    def _download(self, bucket: Bucket, asset: str, folder: Path) -> None:
        """Fetch a version into `folder`, complete and proved or not at all."""
        name = f"{asset}/{folder.name}"
        names = bucket.names(name)
        if outside := [file for file in names if ".." in PurePosixPath(file).parts]:
            raise CorruptArtifact(f"{bucket.url}/{name} has a file outside its folder, {outside[0]!r}: delete it")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked_temp_dir(self.root / ".downloads") as temporary:
            version = temporary / folder.name
            for file in names:
                (version / file).parent.mkdir(parents=True, exist_ok=True)
                bucket.download(f"{name}/{file}", version / file)
            try:
                self._proved(asset, version)
            except _Fault as fault:
                raise CorruptArtifact(
                    f"{bucket.url}/{name} is damaged, or was while it was fetched ({fault}): run again, or materialize "
                    f"{asset} again, or go back to another version: starvec rollback {asset}"
                ) from fault
            try:
                version.rename(folder)
            except OSError:
                if not folder.exists():  # otherwise another process fetched the same version meanwhile
                    raise

    def _prune(self, asset: str, newest: str, before: str | None) -> None:
        """Remove all but `keep` versions: first those whose content a later one has, then the oldest.

        The one that was the newest `before` goes last: it may have been rolled back to.
        """
        # The newest is not the last by name when a clock went back or another machine's clock is ahead.
        older = sorted(version for version in self.versions(asset) if version != newest)
        last_of_content = {version[-12:]: version for version in [*older, newest]}
        older.sort(key=lambda version: (version == before, last_of_content[version[-12:]] == version, version))
        for version in older[: max(0, len(older) + 1 - self.keep)]:
            self._remove(asset, version)


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

    def beside(self, other: Artifact) -> Artifact:
        """Open the version that was written together with `other`, of the same month.

        Raises what `ArtifactStore.latest` raises.
        """
        name = f"{self.asset}/{other.asset.partition('/')[2]}"
        version = other.manifest.together.get(name)
        # Months of an older starvec do not name it.
        return self._open(self._store.open(name, version) if version else self._store.latest(name))

    def recorded_in(self, star_log: Artifact, months: Collection[str] | None = None) -> list[Artifact]:
        """Open the versions that `star_log` was made from, oldest month first; only those of `months`, if given.

        Raises StarvecError when one of them is no longer there.
        """
        inputs = {name.partition("/"): version for name, (version, _) in star_log.manifest.inputs.items()}
        names = sorted(n for n in inputs if n[0] == self.asset and (months is None or n[2] in months))
        try:
            return [self._open(self._store.open("".join(name), inputs[name])) for name in names]
        except CorruptArtifact as error:
            raise StarvecError(
                f"star_log lists months that are no longer there; materialize star_log again ({error})"
            ) from error

    def _open(self, artifact: Artifact) -> Artifact:
        self.opened.append(artifact)
        return artifact


def content_hash(files: Mapping[str, tuple[int, str]]) -> str:
    """Return the content hash of files given as in a manifest, hexadecimal."""
    digests = {name: digest for name, (_, digest) in files.items()}
    return hashlib.sha256(json.dumps(digests).encode()).hexdigest()


def open_store() -> ArtifactStore:
    """Return the store of this machine: that of STARVEC_HOME, mirrored to $STARVEC_BUCKET where it is set."""
    return ArtifactStore(home() / "artifacts", bucket=os.environ.get("STARVEC_BUCKET", ""))


def _refuse_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _read_text(path: Path) -> str | None:
    """Return the beginning of a text without blanks around it, far longer than a version; None without such a file."""
    try:
        with path.open(errors="replace") as file:
            return file.read(1_000).strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StarvecError(f"{path} cannot be read ({error.strerror}): mend that") from error


def _manifest(
    asset: str,
    draft: Draft,
    code_version: str,
    config: dict[str, Any],
    seconds: float,
    together: dict[str, str],
) -> Manifest:
    """Hash the files of a draft and describe them."""
    files = {
        path.relative_to(draft.path).as_posix(): (path.stat().st_size, sha256(path))
        for path in regular_files(draft.path)
    }
    digest, now = content_hash(files), datetime.now(UTC)
    return Manifest(
        asset=asset,
        version=f"{now:%Y%m%dT%H%M%S%f}Z-{digest[:12]}",
        content_hash=digest,
        code_version=code_version,
        created=now.isoformat(timespec="seconds"),
        seconds=seconds,
        inputs={artifact.asset: (artifact.manifest.version, artifact.content_hash) for artifact in draft.inputs},
        config=config,
        provenance=sorted({*draft.provenance, *(name for a in draft.inputs for name in a.manifest.provenance)}),
        rows=draft.rows,
        facts=draft.facts,
        files=files,
        together=together,
    )
