# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The engines that there are. Beside the engines' own adapters, this is the one place that names one."""

from __future__ import annotations

DOCKER = "docker"
ENGINES = (DOCKER,)
#: What follows ``@`` in the balancer's names of services that it found at the engine.
PROVIDERS = {DOCKER: "docker"}
DEFAULT_PROVIDER = PROVIDERS[DOCKER]
