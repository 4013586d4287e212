"""What a user does to nodes with the docker command or in a management tool: keeps :class:`engine_contract.ByHand`."""

from __future__ import annotations

from typing import Any

import docker


class DockerHand:
    """Changes containers past Evenkeel.

    Args:
        network: the cluster's.
    """

    def __init__(self, network: str) -> None:
        self._api: Any = docker.APIClient()
        self._network = network

    def rename(self, node: str, name: str) -> None:
        """``docker rename``."""
        self._api.rename(node, name)

    def leave_network(self, node: str) -> None:
        """``docker network disconnect``."""
        self._api.disconnect_container_from_network(node, self._network)

    def limit(self, node: str) -> None:
        """``docker update --memory 60m --memory-swap 60m --restart no``."""
        self._api.update_container(node, mem_limit="60m", memswap_limit="60m", restart_policy={"Name": "no"})

    def limit_for_good(self, node: str) -> None:
        """``docker update --cpu-shares 512``: there is no way back to none while it runs."""
        self._api.update_container(node, cpu_shares=512)

    def copy(self, node: str, name: str) -> str:
        """As management tools duplicate a container: its labels, host name, alias and MAC address too."""
        found = self._api.inspect_container(node)
        config, host = found["Config"], found["HostConfig"]
        endpoint = found["NetworkSettings"]["Networks"][self._network]
        aliases = {self._network: {"Aliases": endpoint["Aliases"]}}
        made = self._api.create_container(
            config["Image"],
            name=name,
            hostname=config["Hostname"],
            labels=config["Labels"],
            environment=config["Env"],
            host_config={**host, "NetworkMode": self._network},
            networking_config={"EndpointsConfig": aliases},
            mac_address=endpoint["MacAddress"],
        )["Id"]
        self._api.start(made)
        return str(made)
