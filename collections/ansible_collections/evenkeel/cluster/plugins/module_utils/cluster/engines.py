# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The supported engines. Only this file and the engines' own adapters name one."""

from __future__ import annotations

DOCKER = "docker"
ENGINES = (DOCKER,)
#: Engine to the suffix, after ``@``, of the services that the balancer finds at it.
PROVIDERS = {DOCKER: "docker"}
DEFAULT_PROVIDER = PROVIDERS[DOCKER]
