"""What only a drill does to containers, as calls of Docker's SDK."""

from __future__ import annotations

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_faults import _environment_line


@pytest.mark.parametrize(
    "item, line",
    [
        ("PATH=/usr/bin:/bin", 'ENV PATH="/usr/bin:/bin"'),
        ("A=two words", 'ENV A="two words"'),
        ('B=say "hi" to $USER', r'ENV B="say \"hi\" to \$USER"'),
        ("EMPTY=", 'ENV EMPTY=""'),
    ],
)
def test_variables_of_an_image_are_kept_to_the_letter(item: str, line: str) -> None:
    assert _environment_line(item) == line
