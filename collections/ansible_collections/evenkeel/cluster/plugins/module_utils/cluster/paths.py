# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The files of a cluster in its state folder on the target. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StatePaths:
    """The layout of the state folder.

    Attributes:
        state_dir: the folder, absolute, without a slash at its end.
    """

    state_dir: str

    @property
    def secrets_dir(self) -> str:
        """The folder with passwords."""
        return f"{self.state_dir}/secrets"

    @property
    def dashboard_password(self) -> str:
        """The file with the password of the balancer's dashboard and API."""
        return f"{self.secrets_dir}/dashboard_password"

    @property
    def portainer_password(self) -> str:
        """The file with the password of Portainer's user admin."""
        return f"{self.secrets_dir}/portainer_password"

    def console_password(self, user: str) -> str:
        """The file with the password of a user of the console, as it was generated."""
        return f"{self.secrets_dir}/console_{user}"

    @property
    def tier_secrets_dir(self) -> str:
        """The folder with the secrets of the tiers, which nodes have mounted."""
        return f"{self.secrets_dir}/tiers"

    @property
    def secrets_key_file(self) -> str:
        """The file with the key of the digests that tell one version of a tier's secrets from another."""
        return f"{self.secrets_dir}/key"

    @property
    def balancer_config(self) -> str:
        """The folder with the balancer's static configuration."""
        return f"{self.state_dir}/balancer"

    @property
    def dynamic_config(self) -> str:
        """The folder with the configuration that the balancer reads again whenever it changes."""
        return f"{self.balancer_config}/dynamic"

    @property
    def routes_file(self) -> str:
        """The file that joins the tiers' paths to the balancer's services."""
        return f"{self.dynamic_config}/tiers.yml"

    @property
    def console_dir(self) -> str:
        """The folder of the console: settings, and what its two processes keep."""
        return f"{self.state_dir}/console"

    @property
    def log_dir(self) -> str:
        """The folder with the balancer's logs."""
        return f"{self.state_dir}/log"

    @property
    def access_log(self) -> str:
        """The balancer's access log."""
        return f"{self.log_dir}/access.log"

    @property
    def declaration(self) -> str:
        """The declaration that the last reconciliation was given."""
        return f"{self.state_dir}/declaration.json"

    @property
    def overrides(self) -> str:
        """The numbers of nodes that were set in the console."""
        return f"{self.state_dir}/overrides.json"

    @property
    def build_dir(self) -> str:
        """The folder that images are built in."""
        return f"{self.state_dir}/build"

    @property
    def evidence_dir(self) -> str:
        """The folder with the records of drills."""
        return f"{self.state_dir}/evidence"

    def as_dict(self) -> dict[str, str]:
        """All paths by name, for Ansible facts."""
        return {
            "secrets_dir": self.secrets_dir,
            "dashboard_password": self.dashboard_password,
            "portainer_password": self.portainer_password,
            "tier_secrets_dir": self.tier_secrets_dir,
            "secrets_key_file": self.secrets_key_file,
            "balancer_config": self.balancer_config,
            "dynamic_config": self.dynamic_config,
            "routes_file": self.routes_file,
            "console_dir": self.console_dir,
            "log_dir": self.log_dir,
            "access_log": self.access_log,
            "build_dir": self.build_dir,
            "evidence_dir": self.evidence_dir,
            "declaration": self.declaration,
            "overrides": self.overrides,
        }


def default_state_dir(cluster: object, root: bool, home: str) -> str:
    """Where state is kept when no folder is declared: the system's place for root, the user's own otherwise.

    Args:
        cluster: the cluster's name.
        root: whether root deploys it.
        home: the home of the user that deploys it.
    """
    return f"/var/lib/evenkeel/{cluster}" if root else f"{home.rstrip('/')}/.local/state/evenkeel/{cluster}"
