"""Files that a crash leaves whole, and what a system says of those that it does not give."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

_ROOM = "expected room for it: free some on its disk, or name a folder on another one"
_RIGHTS = (
    "expected the right to use it: change the rights of file and folder, or name another folder"
)
_FOLDER = "expected a folder in its place: move the file, or name another folder"
EXPECTED = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _ROOM),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _RIGHTS),
    **dict.fromkeys((errno.EEXIST, errno.ENOTDIR), _FOLDER),
    errno.EISDIR: "expected a file in its place: move the folder, or name another one",
    errno.ENOENT: "expected it to be there: name another one, or make it",
}
"""What was expected instead of an error of the system, and what to do."""


def in_words(error: OSError) -> str:
    """What the system would not do with a file, and what to do about it, in one sentence."""
    path = "the output" if error.filename is None else error.filename
    expected = EXPECTED.get(error.errno or 0, "expected a disk that is in order: look at it")
    return f"{path} cannot be used ({error.strerror or error}); {expected}"


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader or a crash sees the old content or the new one.

    Raises:
        OSError: if it cannot be written; the error names ``path``, or the folder that is missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    try:
        _write(path, data)
    except OSError as error:
        # A full disk names none, and the temporary file's says nothing.
        error.filename, error.filename2 = str(path), None
        raise


def _write(path: Path, data: bytes) -> None:
    with tempfile.NamedTemporaryFile(
        dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
