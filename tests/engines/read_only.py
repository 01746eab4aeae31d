"""A read-only file system, as Python's own code sees it: one folder alone can be written."""

from pathlib import Path

# Every Python process reads it. Devices stay open, as in a container.
HOOK = """
import errno, os, sys

WRITABLE = {writable!r}
CHANGES = {{"os.mkdir": 1, "os.rename": 2, "os.remove": 1, "os.link": 2, "os.symlink": 2}}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def refuse(event, args):
    if event == "open":
        paths = args[:1] if args[2] & WRITING else ()
    else:
        paths = args[:CHANGES.get(event, 0)]
    for path in paths:
        if isinstance(path, (str, bytes)):
            place = os.path.abspath(os.fsdecode(path))
            if not f"{{place}}/".startswith((f"{{WRITABLE}}/", "/dev/", "/proc/")):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)


sys.addaudithook(refuse)
"""


def python_path(folder: Path, writable: Path, more: str = "") -> str:
    """A PYTHONPATH under which Python writes nowhere else, and does `more` at its start."""
    (folder / "sitecustomize.py").write_text(HOOK.format(writable=str(writable)) + more)
    return str(folder)
