"""Both halves over TLS, with a certificate made on the spot."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from penstock.wire.client import Client, ConnectionFailed
from tests.unit.wire.conftest import Running
from tests.unit.wire.tiny import CREDENTIALS, NOW


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "penstock")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    path.write_bytes(
        built.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


def test_calls_over_tls(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    running = Running(context)
    assert running.endpoint.startswith("https://")
    client = running.client(tls=ssl.create_default_context(cafile=str(certificate)))
    parameters = {"name": "a", "uniqueId": "b"}
    assert client.call("CreatePipeline", parameters) == {"pipelineId": "df-1"}
    assert client.call("CreatePipeline", parameters) == {"pipelineId": "df-1"}
    client.close()
    stranger = Client(running.endpoint, CREDENTIALS, now=lambda: NOW, tries=1)
    with pytest.raises(ConnectionFailed, match="CERTIFICATE_VERIFY_FAILED"):
        stranger.call("CreatePipeline", parameters)
    stranger.close()
    running.stop()
