# SPDX-License-Identifier: Apache-2.0
"""An authority of the test's own, and what it signs, made by the openssl command."""

import pathlib
import ssl
import subprocess


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def new_key(path):
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)
    return path


class Certificate:
    """A certificate and its key, in files."""

    def __init__(self, cert, key):
        self.cert, self.key = pathlib.Path(cert), pathlib.Path(key)

    def options(self):
        return ["--tls-cert", str(self.cert), "--tls-key", str(self.key)]


class Authority(Certificate):
    def __init__(self, directory, name="authority"):
        directory.mkdir(parents=True, exist_ok=True)
        super().__init__(directory / f"{name}.pem", new_key(directory / f"{name}.key"))
        self.directory = directory
        openssl("req", "-x509", "-new", "-key", self.key, "-subj", f"/CN={name}", "-days", 10, "-out", self.cert)

    def sign(self, name, *names, days=5, usage="serverAuth,clientAuth"):
        """A certificate with these subject alternative names, such as DNS:localhost or IP:127.0.0.1. A negative number of days:
        it has expired."""
        made = Certificate(self.directory / f"{name}.pem", new_key(self.directory / f"{name}.key"))
        request, extensions = self.directory / f"{name}.csr", self.directory / f"{name}.ext"
        extensions.write_text(f"extendedKeyUsage={usage}\n" + (f"subjectAltName={','.join(names)}\n" if names else ""))
        openssl("req", "-new", "-key", made.key, "-subj", f"/CN={name}", "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial", "-days", days,
                "-extfile", extensions, "-out", made.cert)
        return made

    def context(self, certificate=None):
        """What Python's ssl trusts then, and shows."""
        context = ssl.create_default_context(cafile=self.cert)
        if certificate:
            context.load_cert_chain(certificate.cert, certificate.key)
        return context
