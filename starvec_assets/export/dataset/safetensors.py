"""Arrays in a safetensors file: https://github.com/huggingface/safetensors, "Format", read in 2026-11.

The length of a JSON header as uint64, the header, padded by spaces to whole words, and the arrays one after the other.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, NonNegativeInt, TypeAdapter, ValidationError

from starvec_assets.errors import StarvecError

Arrays = Mapping[str, npt.NDArray[np.float16] | npt.NDArray[np.int64]]

_DTYPES = {"F16": "<f2", "I64": "<i8"}
_KINDS = {dtype: kind for kind, dtype in _DTYPES.items()}
_MAX_HEADER_BYTES = 1 << 20


class _Entry(BaseModel):
    """An array as the header describes it: its bytes begin and end at `data_offsets` after the header."""

    dtype: str
    shape: list[NonNegativeInt]
    data_offsets: tuple[NonNegativeInt, NonNegativeInt]


_HEADER = TypeAdapter(dict[str, _Entry])


def write_safetensors(arrays: Arrays, path: Path) -> None:
    """Write little-endian float16 and int64 arrays."""
    header, end = {}, 0
    for name, array in arrays.items():
        kind = _KINDS[array.dtype.str]
        header[name] = {"dtype": kind, "shape": array.shape, "data_offsets": [end, end + array.nbytes]}
        end += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in arrays.values():
            array.tofile(file)


def map_safetensors(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Memory-map the arrays of a file, float16 or int64, by name.

    Raises StarvecError when the file cannot be read or is not what its header says.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > _MAX_HEADER_BYTES:
                raise ValueError(f"its header has {length:,} bytes")
            entries = _HEADER.validate_json(file.read(length))
        return {name: _map(path, 8 + length, entry) for name, entry in entries.items()}
    except (OSError, ValueError) as error:
        # A header may have thousands of faults, of which the first is enough.
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise StarvecError(f"{path} cannot be read as safetensors ({reason}): download it again") from error


def _map(path: Path, begin: int, entry: _Entry) -> npt.NDArray[Any]:
    if entry.dtype not in _DTYPES:
        raise ValueError(f"an array of {entry.dtype[:20]}")
    first, end = entry.data_offsets
    dtype = np.dtype(_DTYPES[entry.dtype])
    if math.prod(entry.shape) * dtype.itemsize != end - first:
        raise ValueError(f"{end - first:,} bytes for an array of the shape {entry.shape}")
    return np.memmap(path, dtype, "r", begin + first, tuple(entry.shape))
