# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Documentation shared by the modules that compare declaration, Docker and the balancer."""

from __future__ import annotations


class ModuleDocFragment:
    """Whether they must agree."""

    DOCUMENTATION = r"""
options:
  require_agreement:
    description:
      - Fail unless declaration, Docker and the balancer agree for every tier. Other parts do not fail it.
      - Right after a change the balancer may need a moment; the module then looks again for up to O(settle_timeout).
    type: bool
    default: false
  settle_timeout:
    description: Seconds to wait for agreement.
    type: int
    default: 5
"""
