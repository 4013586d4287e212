"""How secrets travel, what is written of them, and what identifies it."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.secrets import (
    SecretFolder,
    TierSecrets,
    differences,
    digest,
    folder_content,
    pack,
    read_variables,
    unpack,
    variables_text,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import InputError

CANARY = "canary-5d1c"
GIVEN = {"web": {"secrets": {"pin": "3000"}, "secret_environment": {"A": "x\ny"}, "env_file": {"text": "A=1\nB=2\n"}}}


def test_values_arrive_as_they_were_sent_and_cannot_be_mistaken_for_anything_else() -> None:
    text = pack(GIVEN)
    assert unpack(text) == GIVEN
    # Ansible removes the text of a secret option from all results.
    assert "3000" not in text
    assert len(text) > 60
    assert pack({}) == ""
    assert unpack("") == {}


@pytest.mark.parametrize(
    "text", [CANARY, base64.b64encode(CANARY.encode()).decode(), base64.b64encode(b'["canary-5d1c"]').decode(), "é"]
)
def test_another_text_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(InputError) as caught:
        unpack(text)
    assert str(caught.value).startswith("tier_secrets: got another text, want ")
    assert CANARY not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "text, found, broken",
    [
        ("A=1\nB = 2\n", {"A": "1"}, [2]),
        ("\n# A=0\nA=1=2 \n", {"A": "1=2 "}, []),
        ("A='1'\r\nB=\r\n", {"A": "'1'", "B": ""}, []),
        ("A=1\nA=2", {"A": "2"}, []),
        ("\ufeffA=1", {"A": "1"}, []),
        ("export A=1\n1A=1\nA\n=1\nA=\0\n", {}, [1, 2, 3, 4, 5]),
        ("A=1\x0bB=2\x85C=3", {"A": "1\x0bB=2\x85C=3"}, []),
        ("", {}, []),
    ],
)
def test_a_file_of_variables_is_taken_literally(text: str, found: dict[str, str], broken: list[int]) -> None:
    assert read_variables(text) == (found, broken)


def test_each_variable_ends_with_a_nul_so_that_values_may_have_lines() -> None:
    assert variables_text({"B": "#x\n", "A": "1=2"}) == "A=1=2\0B=#x\n\0"
    assert variables_text({}) == ""


def test_the_folder_has_what_is_declared_and_no_more() -> None:
    names = TierSecrets(["pin"], ["A", "B"])
    assert folder_content(names, GIVEN["web"]) == {"pin": "3000", ".env": "A=x\ny\0B=2\0"}
    assert folder_content(TierSecrets(["pin"]), GIVEN["web"]) == {"pin": "3000"}
    assert folder_content(TierSecrets(variables=["B"]), GIVEN["web"]) == {".env": "B=2\0"}
    for missing in (TierSecrets(["other"]), TierSecrets(variables=["other"])):
        with pytest.raises(KeyError, match="other"):
            folder_content(missing, GIVEN["web"])


def test_the_digest_is_that_of_key_tier_names_and_values() -> None:
    first = digest("key", "web", {"a": "1", "b": "2"})
    assert len(first) == 64
    assert digest("key", "web", {"b": "2", "a": "1"}) == first
    others = [
        digest("other", "web", {"a": "1", "b": "2"}),
        digest("key", "shop", {"a": "1", "b": "2"}),
        digest("key", "web", {"a": "1", "b": "3"}),
        digest("key", "web", {"a": "1", "c": "2"}),
        digest("key", "web", {"a": "1b", "": "2"}),
        digest("key", "web", {"a": "1"}),
    ]
    assert len({first, *others}) == 7
    said = json.dumps(["web", [["a", "1"], ["b", "2"]]]).encode()
    assert first != hashlib.sha256(said).hexdigest(), "without the key it could be guessed"


def test_what_differs_is_told_by_name() -> None:
    before = {"old": CANARY, "pin": CANARY, "same": CANARY, ".env": f"A={CANARY}\0B=2\0"}
    after = {"new": CANARY, "pin": f"{CANARY}2", "same": CANARY, ".env": f"A={CANARY}2\0C=\0"}
    found = differences("web", before, after)
    assert [str(change) for change in found] == [
        "secret new of web added",
        "secret old of web removed",
        "secret pin of web changed",
        "secret variable A of web changed",
        "secret variable B of web removed",
        "secret variable C of web added",
    ]
    assert differences("web", after, after) == []
    assert [change.to_do for change in found[:3]] == [
        "add secret new of web",
        "remove secret old of web",
        "change secret pin of web",
    ]
    by_hand = differences("web", {"pin": "1", "old": "1"}, {"pin": "2", "new": "1"}, by_hand=True)
    assert [str(change) for change in by_hand] == [
        "secret new of web written again",
        "secret old of web removed",
        "secret pin of web written again",
    ]
    assert by_hand[0].to_do == "write again secret new of web"


def test_no_value_is_in_the_text_of_a_folder() -> None:
    assert CANARY not in repr(SecretFolder("web", "/x", {"pin": CANARY}))
