"""Writes a server's configuration with the wheel's own code; runs where that can be imported."""

import json
import sys
from pathlib import Path
from typing import Any

import milvus  # type: ignore[import-not-found]  # in a folder of its own, see overlay.py

PARTS = ("rootCoord", "proxy", "queryCoord", "queryNode", "indexNode", "dataCoord", "dataNode")
ETCD = """\
listen-client-urls: http://127.0.0.1:{client}
advertise-client-urls: http://127.0.0.1:{client}
listen-peer-urls: http://127.0.0.1:{peer}
initial-advertise-peer-urls: http://127.0.0.1:{peer}
initial-cluster: default=http://127.0.0.1:{peer}
"""


def configure(directory: str, first_port: int, settings: dict[str, Any]) -> dict[str, int]:
    """Write milvus.yaml and etcd.yaml; the ports that a test needs."""
    config = milvus.MilvusServerConfig(data_dir=directory)
    for key, value in settings.items():
        config.set(key, value)
    for part in PARTS:
        config.set(f"{part}.ip", "127.0.0.1")
    ports = [key for key in config.configurable_items if key.endswith("_port")]
    for number, key in enumerate(ports):
        # Only where the search for a free port begins; steps leave room for etcd's second one.
        config.configurable_items[key][1] = first_port + 10 * number
    config.resolve()
    client = config.get("etcd_port")
    Path(directory, "etcd.yaml").write_text(ETCD.format(client=client, peer=client + 1))
    return {"proxy": config.get("proxy_port"), "health": client + 2}


if __name__ == "__main__":
    print(json.dumps(configure(**json.loads(sys.argv[1]))))
