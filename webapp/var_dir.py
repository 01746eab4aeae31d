"""The folder of kept files; only its owner can read them."""

import os
import secrets
import stat
import tempfile
from pathlib import Path

# Overrides the umask of the shell: other users cannot read what our processes write.
UMASK = 0o077
# Every run leaves these; a folder with one of them is ours.
OURS = ("run.lock", "secret_key")


def keep_files_private() -> None:
    """Make new files of this process and its children readable by their owner alone."""
    os.umask(UMASK)


def keep_temporary_files(var_dir: Path) -> None:
    """Let this process and its children write temporary files below `var_dir`.

    So it is the one folder that is written. Where it cannot be, they are left where they were.
    """
    folder = var_dir / "tmp"
    try:
        private_folder(var_dir)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return
    if os.access(folder, os.W_OK):
        # Python's own, and those of SQLite, which reads the variable when it needs one.
        tempfile.tempdir = os.environ["TMPDIR"] = str(folder)


def private_folder(folder: Path) -> None:
    """Make the folder for its owner alone; an existing one is closed when it is ours.

    A folder with other contents, or of another user, is left as it is.

    Raises:
        OSError: it cannot be made, or is not a folder.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_uid == os.getuid() and status.st_mode & UMASK and _is_ours(folder):
        folder.chmod(0o700)


def is_private(folder: Path) -> bool:
    """Whether the folder exists, belongs to this user, and is closed to all others."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    is_own = status.st_uid == os.getuid() and stat.S_ISDIR(status.st_mode)
    return is_own and not status.st_mode & UMASK


def made_once(file: Path) -> str:
    """The secret in the file, made when missing; of concurrent makers, one wins.

    Raises:
        OSError: the folder cannot be used.
    """
    private_folder(file.parent)
    draft = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    if not file.exists():
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(48))
        try:
            os.link(draft, file)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return file.read_text().strip()


def remembered(note: Path) -> str | None:
    """The value that an earlier run noted; None without one."""
    try:
        return note.read_text().strip() or None
    except OSError:
        return None


def remember(note: Path, value: str) -> None:
    """Write the value atomically: a reader sees the old one or the new one."""
    draft = note.with_name(f"{note.name}.new")
    draft.write_text(f"{value}\n")
    draft.replace(note)


def _is_ours(folder: Path) -> bool:
    return any((folder / name).exists() for name in OURS) or not any(folder.iterdir())
