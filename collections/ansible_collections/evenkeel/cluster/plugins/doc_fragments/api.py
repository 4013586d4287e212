# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Documentation shared by the modules that require the balancer's API."""

from __future__ import annotations


class ModuleDocFragment:
    """Address and credentials of the balancer's API."""

    DOCUMENTATION = r"""
options:
  api_url:
    description:
      - Address of the balancer's dashboard entry point, such as V(http://127.0.0.1:9000).
      - It answers C(/api) and C(/metrics).
    type: str
    required: true
  api_user:
    description: User of the balancer's API.
    type: str
    default: admin
  api_password_file:
    description: File whose first line is the password of O(api_user).
    type: path
    required: true
"""
