"""A certificate authority for one test run, and TLS as TDS 7 carries it."""

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.tds.protocol import (
    ENCRYPT_NOT_SUPPORTED,
    ENCRYPT_OFF,
    ENCRYPT_ON,
    ENCRYPT_REQUIRED,
)

Mode = Literal["login", "on", "required"]


@dataclass(frozen=True)
class Tls:
    """`login` encrypts the login alone, if the client agrees; `required` refuses clear text."""

    certificate: Path
    key: Path
    mode: Mode = "on"

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # TLS 1.3 sends tickets after the handshake, where TDS 7 has no packet to put them in.
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate, self.key)
        return context


def negotiate(wanted: int, tls: Tls | None) -> int:
    """The table of [MS-TDS] 2.2.6.5, from the server's side."""
    if tls is None:
        return ENCRYPT_NOT_SUPPORTED
    if tls.mode == "required":
        return ENCRYPT_REQUIRED
    if wanted in (ENCRYPT_ON, ENCRYPT_REQUIRED) or tls.mode == "on":
        return ENCRYPT_ON if wanted != ENCRYPT_NOT_SUPPORTED else ENCRYPT_REQUIRED
    return ENCRYPT_OFF if wanted == ENCRYPT_OFF else ENCRYPT_NOT_SUPPORTED


class Authority:
    """Makes its own certificate and signs others; everything lies in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = _name("Test authority")
        self.file = folder / "authority.pem"
        certificate = _certificate(self.name, self.name, self.key.public_key(), self.key, [], True)
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, *names: str, mode: Mode = "on") -> Tls:
        """A certificate for these host names or addresses that the authority signed."""
        return self._write("-".join(names), list(names), self.name, self.key, mode)

    def self_signed(self, *names: str, mode: Mode = "on") -> Tls:
        return self._write("self-signed", list(names), None, None, mode)

    def _write(
        self,
        file: str,
        names: list[str],
        issuer: x509.Name | None,
        signer: ec.EllipticCurvePrivateKey | None,
        mode: Mode,
    ) -> Tls:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(names[0])
        made = _certificate(
            subject, issuer or subject, key.public_key(), signer or key, names, False
        )
        tls = Tls(self.folder / f"{file}.pem", self.folder / f"{file}.key", mode)
        tls.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        tls.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return tls


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePrivateKey,
    names: list[str],
    authority: bool,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names:
        alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
        builder = builder.add_extension(alternatives, critical=False)
    return builder.sign(signer, hashes.SHA256())


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
