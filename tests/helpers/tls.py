"""Certificates made on the spot, and TLS in front of a server that has none."""

from __future__ import annotations

import ipaddress
import select
import socket
import ssl
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from raylane_worker.embedded import HOST

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from raylane_worker.embedded import EmbeddedValkey


@dataclass(frozen=True)
class Authority:
    """Signs certificates."""

    directory: Path
    name: str
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def file(self) -> Path:
        """What those who trust it are given, in PEM."""
        path = self.directory / f"{self.name}.pem"
        path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        return path

    def sign(self, *addresses: str) -> tuple[Path, Path]:
        """Certificate and key for a server at these addresses, or for a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        extensions = [x509.SubjectAlternativeName(names)] if names else []
        certificate = _certificate("someone", key, self.name, self.key, *extensions)
        cert_file, key_file = (self.directory / f"{self.name}-{part}{len(addresses)}.pem" for part in ("cert", "key"))
        cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return cert_file, key_file


def _certificate(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    *extensions: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder.sign(issuer_key, hashes.SHA256())


def an_authority(directory: Path, name: str) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    # What Python 3.13 asks of an authority.
    only_signs = dict.fromkeys(
        (
            *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
            *("key_agreement", "crl_sign", "encipher_only", "decipher_only"),
        ),
        False,
    )
    extensions = (
        x509.BasicConstraints(ca=True, path_length=None),
        x509.KeyUsage(key_cert_sign=True, **only_signs),
    )
    return Authority(directory, name, key, _certificate(name, key, name, key, *extensions))


class Terminator:
    """TLS in front of a server that has none itself; `clients` signs those that it lets in.

    The first `cuts` connections are closed before TLS has begun; all are silent while it `hangs`. With OpenSSL
    on the sockets themselves, as real servers have it: asyncio's own TLS server closes a failed handshake without the
    alert that says why.
    """

    def __init__(
        self,
        valkey: EmbeddedValkey,
        authority: Authority,
        address: str = HOST,
        *,
        clients: Authority | None = None,
        cuts: int = 0,
    ) -> None:
        self._target = valkey.port
        self._cuts = cuts
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*authority.sign(address))
        if clients is not None:
            self._context.verify_mode = ssl.CERT_REQUIRED
            self._context.load_verify_locations(clients.file)
        self._threads: list[threading.Thread] = []
        self._leaving = threading.Event()
        self.hangs = False

    def __enter__(self) -> Self:
        self._listener = socket.create_server((HOST, 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"rediss://{HOST}:{self.port}/0"
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    @property
    def connects(self) -> int:
        return len(self._threads) - 1

    def _start(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._leaving.is_set():
            if select.select([self._listener], [], [], 0.05)[0]:
                self._start(self._serve, self._listener.accept()[0])

    def _serve(self, raw: socket.socket) -> None:
        raw.settimeout(10)
        if self.connects <= self._cuts:
            raw.close()
            return
        with raw, socket.create_connection((HOST, self._target)) as server:
            try:
                with self._context.wrap_socket(raw, server_side=True) as client:
                    while not self._leaving.is_set():
                        ready = select.select([client, server], [], [], 0.05)[0]
                        if self.hangs:
                            self._leaving.wait()
                            return
                        for source, sink in ((client, server), (server, client)):
                            if source in ready:
                                data = source.recv(65536)
                                if not data:
                                    return
                                sink.sendall(data)
            except OSError:
                pass  # no agreement on TLS, or the client is gone
