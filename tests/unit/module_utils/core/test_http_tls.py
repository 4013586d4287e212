"""Requests over TLS: which servers are trusted, and the total limit."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.unit.servers import ScriptedServer, ok, say, trickle

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.http_client import TIMED_OUT, Client, get

Serve = Callable[..., ScriptedServer]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "pair.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


@pytest.fixture
def secured(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def _trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


@pytest.mark.usefixtures("_trusted")
def test_a_trusted_server_is_asked_over_one_connection(serve: Serve, secured: ssl.SSLContext) -> None:
    server = serve(say(ok(), keep=True), secured)
    client = Client(server.url, 5.0)
    assert [client.get("/a").body for __ in range(3)] == [b"ok"] * 3
    client.close()
    assert server.connections == 1
    assert f"Host: 127.0.0.1:{server.port}\r\n".encode() in server.requests[0]


def test_an_untrusted_server_gets_no_request(serve: Serve, secured: ssl.SSLContext) -> None:
    server = serve(say(ok(), keep=True), secured)
    assert get(server.url, seconds=5).reason == "untrusted certificate"
    assert server.requests == []


@pytest.mark.usefixtures("_trusted")
def test_an_answer_that_trickles_ends_at_the_total_limit(serve: Serve, secured: ssl.SSLContext) -> None:
    server = serve(trickle(b"HTTP/1.1 200 OK\r\n\r\n", b"x", 0.01), secured)
    begin = time.monotonic()
    assert get(server.url, seconds=0.5).reason == TIMED_OUT
    assert time.monotonic() - begin < 3


def test_a_server_without_tls_is_no_answer(serve: Serve) -> None:
    server = serve(say(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    found = get(server.url.replace("http:", "https:"), seconds=0.3)
    assert found.status == 0
    assert found.reason
