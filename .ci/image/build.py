"""Make a Docker image of this machine's redis-server, from nothing and with no registry.

The image holds the binary, the shared libraries that it names, a shell and an entry point, so that arguments
work as with the official `redis` image: none at all, flags alone, or `redis-server …`. It is made again only
when one of these files has changed. Run: `python3 .ci/image/build.py [TAG]`; it prints the tag.
"""

# ruff: noqa: INP001, S603, S607 (a script; it runs the docker and ldd of the machine, with words of its own)

from __future__ import annotations

import hashlib
import io
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

TAG = "pytest-jobqueue-redis:local"
LABEL = "pytest-jobqueue.contents"
PROGRAMS = {"redis-server": "/usr/local/bin", "redis-cli": "/usr/local/bin", "sh": "/bin"}

# The official image is built with protected mode off: a published port is no loopback to the server, so
# without this every client would be turned away. Publish it on 127.0.0.1 only.
ENTRY = """\
#!/bin/sh
set -e
case "${1:--}" in -*|*.conf) set -- redis-server "$@" ;; esac
case "$*" in
redis-server*--protected-mode*) ;;
redis-server*) set -- "$@" --protected-mode no ;;
esac
exec "$@"
"""

CHANGES = (
    'ENTRYPOINT ["/usr/local/bin/entry"]',
    'CMD ["redis-server"]',
    "ENV PATH=/usr/local/bin:/bin",
    "WORKDIR /data",
    "EXPOSE 6379",
)


def libraries(program: str) -> set[str]:
    """The shared libraries and the loader that a program needs, as absolute paths."""
    told = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"(/\S+) \(0x", told))


def contents() -> dict[str, tuple[bytes, int]]:
    """Every file of the image: its path, its bytes and its mode."""
    files = {"usr/local/bin/entry": (ENTRY.encode(), 0o755)}
    for name, folder in PROGRAMS.items():
        program = shutil.which(name)
        if program is None:
            raise SystemExit(f"{name} is not here to put into the image: apt-get install redis-server")
        files[f"{folder}/{name}".lstrip("/")] = (Path(program).read_bytes(), 0o755)
        for library in libraries(program):
            files[library.lstrip("/")] = (Path(library).read_bytes(), 0o755)
    return dict(sorted(files.items()))


def packed(files: dict[str, tuple[bytes, int]]) -> bytes:
    """A tar of the files, with the folders that a server writes to."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder, mode in (("data", 0o777), ("tmp", 0o1777)):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            tar.addfile(entry)
        for path, (data, mode) in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(data), mode
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def build(tag: str = TAG) -> bool:
    """Make the image unless it is there already; returns whether it was made."""
    tar = packed(contents())
    digest = hashlib.sha256(tar + repr(CHANGES).encode()).hexdigest()
    label = f'{{{{index .Config.Labels "{LABEL}"}}}}'
    seen = subprocess.run(
        ["docker", "image", "inspect", "--format", label, tag], capture_output=True, text=True, check=False
    )
    if seen.returncode == 0 and seen.stdout.strip() == digest:
        return False
    changes = [word for change in (*CHANGES, f"LABEL {LABEL}={digest}") for word in ("--change", change)]
    subprocess.run(["docker", "import", *changes, "-", tag], input=tar, stdout=subprocess.DEVNULL, check=True)
    return True


if __name__ == "__main__":
    wanted = sys.argv[1] if len(sys.argv) > 1 else TAG
    build(wanted)
    sys.stdout.write(f"{wanted}\n")
