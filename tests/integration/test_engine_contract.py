"""The Docker engine keeps the contract that the unit tests' fake keeps, with a cluster beside the real one."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator

import docker
import docker.errors
import pytest
from tests.contract.engine_contract import EngineContract, Subject

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.poll import SYSTEM_CLOCK
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_faults import DockerDrillEngine
from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory.parse import parse_cluster
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.context import declare

from .by_hand import DockerHand
from .conftest import nodes

CLUSTER = "contract"
NETWORK = "evenkeel"
IMAGE = "evenkeel-contract/dynamic"
BARE = "evenkeel-contract/files"
_numbers = itertools.count(1)
RAW = {
    "name": CLUSTER,
    "domain": "localhost",
    "hosts": ["localhost"],
    "engine": "docker",
    "web_port": 8080,
    "dashboard_port": 9000,
    "portainer": False,
    "portainer_port": 9090,
    "image_source": "packages",
    "registry_prefix": "",
    "apt_mirror": "",
    "ca_bundle": "",
    "state_dir": "/var/lib/evenkeel-contract",
    # Without a context the tier's labels are given to the container, and the image needs none.
    "tiers": {
        "contract": {"image": f"{IMAGE}:latest", "leaving": "own", "port": 3000, "path": "/contract/", "nodes": 1}
    },
}


def without_labels(engine: docker.DockerClient, source: str, name: str) -> None:
    """Make an image with the files and the start of another, but none of its labels."""
    config = engine.images.get(source).attrs["Config"]
    changes = [
        f"ENTRYPOINT {json.dumps(config['Entrypoint'] or [])}",
        f"CMD {json.dumps(config['Cmd'] or [])}",
        f"WORKDIR {config['WorkingDir'] or '/'}",
        f"USER {config['User'] or '0'}",
        *(f"ENV {item.partition('=')[0]}={json.dumps(item.partition('=')[2])}" for item in config["Env"] or []),
    ]
    container = engine.containers.create(source, labels={"traefik.enable": "false"})
    try:
        engine.api.import_image_from_stream(container.export(), repository=name, tag="latest", changes=changes)
    finally:
        container.remove(force=True)


@pytest.fixture(scope="module")
def image(engine: docker.DockerClient) -> Iterator[str]:
    """The files of the dynamic tier's image with the labels of the contract's tier; its reference."""
    spec, problems = parse_cluster(RAW)
    assert spec is not None, problems
    (source,) = {container.image.id for container in nodes(engine, "dynamic").values() if container.image}
    drill = DockerDrillEngine(CLUSTER, NETWORK, {})
    without_labels(engine, source or "", BARE)
    lines = [f"FROM {BARE}:latest", *(f'LABEL {name}="{value}"' for name, value in spec.tiers[0].labels.items())]
    engine.images.build(fileobj=io.BytesIO("\n".join(lines).encode()), tag=f"{IMAGE}:latest", rm=True)
    yield f"{IMAGE}:latest"
    for name in (IMAGE, BARE):
        drill.remove_image(f"{name}:latest")


@pytest.mark.usefixtures("cluster")
class TestDockerEngine(EngineContract):
    """Docker keeps the contract."""

    @pytest.fixture
    def subject(self, image: str) -> Iterator[Subject]:
        spec, problems = parse_cluster(RAW)
        assert spec is not None, problems
        tier = spec.tiers[0]
        engine = DockerDrillEngine(CLUSTER, NETWORK, {tier.name: tier.port})
        engine.connect()
        build = declare(CLUSTER, {tier.name: tier}, {}, ("localhost",), engine).builds[tier.name]
        hand = DockerHand(NETWORK)
        yield Subject(engine, SYSTEM_CLOCK, build, image, f"evenkeel-contract/bare-{next(_numbers)}", hand)
        for node in engine.nodes():
            engine.remove(node.id)
