# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What an image that is derived for a tier says of itself, so that an outdated one is told from a current one. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from . import labels

# Parts of a tier that its derived image has in it.
_OPTIONS = ("image", "port", "health", "labels")
_CONTAINER = ("entrypoint", "stop_signal")
_TAG_BEFORE_DIGEST = re.compile(r":[^:/@]+@")


def derivation_labels(tier: Mapping[str, Any], base: str) -> dict[str, str]:
    """Labels of the image that is derived for a tier.

    Args:
        tier: as the specification has it.
        base: the identifier of the tier's image.
    """
    said = [{name: tier[name] for name in _OPTIONS}, {name: tier["container"][name] for name in _CONTAINER}]
    made_of = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    return {labels.BASE: base, labels.MADE_OF: made_of}


def is_outdated(tier: Mapping[str, Any], found: Mapping[str, str], base: str) -> bool:
    """Whether a derived image was made of another image, or with other options, than are declared now.

    Args:
        tier: as the specification has it.
        found: the labels of the derived image.
        base: the identifier of the tier's image; empty if that is not there, and only its name can be compared.
    """
    wanted = derivation_labels(tier, base or found.get(labels.BASE, ""))
    return any(found.get(name) != value for name, value in wanted.items())


def findable(reference: str) -> str:
    """A reference as the engine finds it: by its digest alone, where it has both a tag and a digest."""
    return _TAG_BEFORE_DIGEST.sub("@", reference)
