"""The folder of what is kept: nobody but its owner reads what lies in it."""

import os
import secrets
import stat
from pathlib import Path

# What a process of ours writes, others cannot read, whatever the shell that started it says.
UMASK = 0o077
# What every run leaves in it: with one of these, the folder is ours and no other's.
OURS = ("run.lock", "secret_key")


def keep_files_private() -> None:
    """Have this process, and those that it starts, make files that only their owner reads."""
    os.umask(UMASK)


def private_folder(folder: Path) -> None:
    """Make the folder for its owner alone; one that is there is closed when it is ours.

    A folder that holds other things as well, or belongs to another user, is left as it is.

    Raises:
        OSError: it cannot be made, or is not a folder.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat()
    if found.st_uid == os.getuid() and found.st_mode & UMASK and _is_ours(folder):
        folder.chmod(0o700)


def is_private(folder: Path) -> bool:
    """Whether the folder is there, ours, and closed to everybody else."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    is_own = found.st_uid == os.getuid() and stat.S_ISDIR(found.st_mode)
    return is_own and not found.st_mode & UMASK


def made_once(file: Path) -> str:
    """The secret in the file, made when missing; of several makers at once, one wins.

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
    """What an earlier run noted there; None for nothing."""
    try:
        return note.read_text().strip() or None
    except OSError:
        return None


def remember(note: Path, value: str) -> None:
    """Write the value so that a reader sees the old one or the new one, never a half."""
    draft = note.with_name(f"{note.name}.new")
    draft.write_text(f"{value}\n")
    draft.replace(note)


def _is_ours(folder: Path) -> bool:
    return any((folder / name).exists() for name in OURS) or not any(folder.iterdir())
