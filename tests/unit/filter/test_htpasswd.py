"""The users file's line: what the balancer accepts, and the same each time."""

from __future__ import annotations

import bcrypt
import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.evenkeel.cluster.plugins.filter import htpasswd as code
from ansible_collections.evenkeel.cluster.plugins.filter.htpasswd import htpasswd


def test_the_hash_accepts_its_password_only() -> None:
    user, _, hashed = htpasswd("s3cret", "admin").partition(":")
    assert user == "admin"
    assert bcrypt.checkpw(b"s3cret", hashed.encode())
    assert not bcrypt.checkpw(b"s3cret!", hashed.encode())


def test_a_second_run_changes_nothing() -> None:
    assert htpasswd("s3cret", "admin") == htpasswd("s3cret", "admin")


def test_another_password_or_user_has_another_salt() -> None:
    assert htpasswd("a", "admin")[:36] != htpasswd("b", "admin")[:36]
    assert htpasswd("a", "admin").partition(":")[2] != htpasswd("a", "root").partition(":")[2]


@pytest.mark.parametrize("password,user", [("", "admin"), ("x" * 73, "admin"), ("x", ""), ("x", "a:b")])
def test_what_cannot_be_hashed_is_refused(password: str, user: str) -> None:
    with pytest.raises(AnsibleFilterError, match=r"got .*, want .* \(fix: "):
        htpasswd(password, user)


def test_a_missing_library_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code, "IMPORT_ERROR", ImportError("No module named 'bcrypt'"))
    with pytest.raises(AnsibleFilterError) as caught:
        htpasswd("s3cret", "admin")
    assert str(caught.value) == (
        "htpasswd: got No module named 'bcrypt', want bcrypt on the controller (fix: pip install bcrypt)"
    )
