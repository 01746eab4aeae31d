"""The nginx of the README in front of a server: its own words, with ports and files of the test."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from tests.engines import debian
from tests.engines.certificates import OPENSSL, self_signed
from tests.engines.process import ServerProcess, accepts, free_port
from webapp.settings import PROJECT_ROOT

NAME = "nginx"
PACKAGE = "nginx-light"
# Where each `server` or `location` of the README stands, and what a test puts in the place of
# the ports and the files that it names. Nothing else of it is changed.
BLOCK = re.compile(r"```nginx\n(.*?)```", re.DOTALL)
INSTANCE = re.compile(r"10\.0\.0\.\d+:8000")
PORT_OF_NGINX, PORT_OF_OURS = "443", "127.0.0.1:8000"
CERTIFICATE, KEY = "/etc/ssl/paratia.pem", "/etc/ssl/paratia.key"
AROUND = """
{user}
pid {directory}/nginx.pid;
error_log {directory}/nginx.log;
daemon off;
worker_processes 1;
events {{ worker_connections 512; }}
http {{
    access_log off;
    {temporary}
    {server}
}}
"""
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
PLAIN = "server {{ listen 127.0.0.1:{port}; {location} }}"


def readme_blocks() -> tuple[str, str, str]:
    """A `server` of one's own, an `upstream` for it, a `location` for a path of another's."""
    server, upstream, location = BLOCK.findall((PROJECT_ROOT / "README.md").read_text())
    return server, upstream, location


def several_instances(ports: Sequence[int]) -> str:
    """The `server` of the README with its `upstream`, whose instances have these ports."""
    server, upstream, _ = readme_blocks()
    found = INSTANCE.findall(upstream)
    for address, port in zip(found, ports, strict=True):
        upstream = upstream.replace(address, f"127.0.0.1:{port}")
    name = upstream.split()[1]
    return upstream + server.replace(PORT_OF_OURS, name)


def prepare() -> None:
    """Install Debian's package where there is no nginx, and where that is allowed.

    Raises:
        EngineMissing: naming the package, when it cannot be installed.
    """
    debian.prepare(NAME, PACKAGE, lambda: debian.program(NAME))
    debian.prepare(NAME, OPENSSL, lambda: debian.program(OPENSSL))


class Nginx(ServerProcess):
    """nginx with a block of the README, for a server of ours on a port of the loopback address."""

    def __init__(self, directory: Path, block: str, upstream: int = 0) -> None:
        """`upstream` is the port of the one instance; several are in the block."""
        self.port = free_port()
        program = debian.needed(NAME, PACKAGE, NAME)
        is_server = not block.startswith("location")
        self.host = f"127.0.0.1:{self.port}"
        self.address = f"{'https' if is_server else 'http'}://{self.host}"
        block = block.replace(PORT_OF_OURS, f"127.0.0.1:{upstream}")
        block = block.replace(f"listen {PORT_OF_NGINX}", f"listen {self.host}")
        if is_server:
            pair = self_signed(directory, "127.0.0.1")
            block = block.replace(CERTIFICATE, str(pair.certificate)).replace(KEY, str(pair.key))
        folders = (f"{name}_temp_path {directory}/{name};" for name in TEMPORARY)
        config = AROUND.format(
            directory=directory,
            # As root it would serve as nobody, whom the folders of tests are closed to.
            user="user root;" if os.geteuid() == 0 else "",
            temporary="\n    ".join(folders),
            server=block if is_server else PLAIN.format(port=self.port, location=block),
        )
        (directory / "nginx.conf").write_text(config)
        super().__init__(
            command=[program, "-p", str(directory), "-c", str(directory / "nginx.conf")],
            log=directory / "nginx.log",
            answers=lambda: accepts(self.port),
        )
