# SPDX-License-Identifier: Apache-2.0
"""Kubernetes' own servers on loopback: etcd and the API server, and where asked for the controller manager and the
scheduler. kubectl and helm speak to them.
Their binaries are built by tests/cluster/build.sh; all files are in a directory of the caller's."""

import json
import os
import pathlib
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = ROOT / "build" / "tools" / "cluster"
HELM = ROOT / "build" / "tools" / "helm"
CHART = ROOT / "helm" / "ringside"
# Where a guest of qemu's user network finds the host's loopback. The API server needs an address that is not loopback.
HOST_SEEN_BY_GUESTS = "10.0.2.2"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Authority:
    """A certificate authority in a directory, by openssl."""

    def __init__(self, directory):
        self.directory = directory
        self.certificate, self.key = directory / "ca.crt", directory / "ca.key"
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                      "-subj", "/CN=cluster", "-keyout", self.key, "-out", self.certificate)

    def issue(self, name, subject, names=()):
        """The files of a certificate and its key."""
        certificate, key = self.directory / f"{name}.crt", self.directory / f"{name}.key"
        request = ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                   "-subj", subject, "-keyout", key]
        more = self.directory / f"{name}.ext"
        alternatives = f"subjectAltName={','.join(names)}\n" if names else ""
        more.write_text("extendedKeyUsage=serverAuth,clientAuth\n" + alternatives)
        asked = self._openssl(*request)
        self._openssl("x509", "-req", "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial", "-days", "2",
                      "-extfile", more, "-out", certificate, text=asked)
        return certificate, key

    def _openssl(self, *arguments, text=None):
        done = subprocess.run(["openssl", *arguments], input=text, capture_output=True, text=True, check=False,
                              cwd=self.directory)
        assert done.returncode == 0, f"openssl {arguments[0]}: {done.stderr}"
        return done.stdout


class Servers:
    """Started by the constructor; `close` stops them. `kubectl` and `environment` speak to them as an administrator."""

    def __init__(self, directory, controllers=False):
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.processes = {}
        self.port = free_port()
        self.authority = Authority(directory)
        self.certificate, self.key = self.authority.issue("admin", "/O=system:masters/CN=admin")
        self.kubeconfig = self.make_kubeconfig("admin", f"https://127.0.0.1:{self.port}", self.certificate, self.key)
        self.environment = {"PATH": f"{TOOLS}:{os.environ['PATH']}", "HOME": str(directory),
                            "KUBECONFIG": str(self.kubeconfig)}
        try:
            self._start_etcd()
            self._start_api()
            if controllers:
                self._start_controllers()
        except BaseException:
            self.close()
            raise

    def make_kubeconfig(self, name, server, certificate, key, authority=None):
        path = self.directory / f"{name}.kubeconfig"
        cluster = {"server": server, "certificate-authority": str(authority or self.authority.certificate)}
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{"name": "it", "cluster": cluster}],
            "users": [{"name": "it", "user": {"client-certificate": str(certificate), "client-key": str(key)}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        }))
        return path

    def _spawn(self, name, *arguments):
        with open(self.directory / f"{name}.log", "wb") as log:
            self.processes[name] = subprocess.Popen([TOOLS / name, *arguments], stdout=log, stderr=log,
                                                    stdin=subprocess.DEVNULL, cwd=self.directory)

    def _start_etcd(self):
        client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        self.etcd = client
        self._spawn("etcd", "--data-dir", self.directory / "etcd", "--unsafe-no-fsync", "--log-level", "warn",
                    "--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer,
                    "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}")

    def _start_api(self):
        names = ["IP:127.0.0.1", f"IP:{HOST_SEEN_BY_GUESTS}", "DNS:localhost", "DNS:kubernetes.default.svc"]
        certificate, key = self.authority.issue("api", "/CN=api", names)
        public, tokens = self.authority.issue("tokens", "/CN=tokens")
        self._spawn("kube-apiserver", "--etcd-servers", self.etcd, "--bind-address=127.0.0.1", f"--secure-port={self.port}",
                    f"--advertise-address={HOST_SEEN_BY_GUESTS}", f"--cert-dir={self.directory}",
                    f"--tls-cert-file={certificate}",
                    f"--tls-private-key-file={key}", f"--client-ca-file={self.authority.certificate}",
                    "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={public}",
                    f"--service-account-signing-key-file={tokens}", "--service-cluster-ip-range=10.96.0.0/24",
                    "--authorization-mode=Node,RBAC", "--allow-privileged=true",
                    f"--kubelet-client-certificate={self.certificate}", f"--kubelet-client-key={self.key}",
                    "--kubelet-preferred-address-types=Hostname")
        self.wait(lambda: self.get("/readyz") == b"ok", 120, "the API server is ready")

    def _start_controllers(self):
        tokens = self.directory / "tokens.key"
        self._spawn("kube-controller-manager", f"--kubeconfig={self.kubeconfig}", "--leader-elect=false",
                    f"--service-account-private-key-file={tokens}", f"--root-ca-file={self.authority.certificate}",
                    "--secure-port=0", "--use-service-account-credentials=true")
        self._spawn("kube-scheduler", f"--kubeconfig={self.kubeconfig}", "--leader-elect=false", "--secure-port=0")

    def get(self, path):
        """What the API answers, or None where it does not."""
        trust = ssl.create_default_context(cafile=str(self.authority.certificate))
        trust.load_cert_chain(self.certificate, self.key)
        try:
            with urllib.request.urlopen(f"https://127.0.0.1:{self.port}{path}", context=trust, timeout=10) as answer:
                return answer.read()
        except (urllib.error.URLError, OSError):
            return None

    def wait(self, condition, seconds, what):
        """Until the condition holds; a server that died, or the deadline, is an error with the end of the logs."""
        deadline = time.monotonic() + seconds
        while not (answer := condition()):
            dead = [name for name, process in self.processes.items() if process.poll() is not None]
            if dead or time.monotonic() > deadline:
                why = f"{dead[0]} died" if dead else f"not within {seconds} s"
                raise AssertionError(f"{what}: {why}\n{self.logs()}")
            time.sleep(0.2)
        return answer

    def logs(self):
        tails = []
        for name in self.processes:
            name = "console" if name == "qemu" else f"{name}.log"
            lines = (self.directory / name).read_text("utf-8", "replace").splitlines()
            tails.append(f"{self.directory}/{name} ends:\n    " + "\n    ".join(lines[-12:]))
        return "\n".join(tails)

    def run(self, *command, text=None, fails=False):
        """stdout of a program that speaks to the cluster; with `fails` it must be refused, and stderr is given."""
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, env=self.environment,
                              timeout=300)
        said = f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout}{done.stderr}"
        assert (done.returncode != 0) == fails, said
        return done.stderr if fails else done.stdout

    def kubectl(self, *arguments, text=None, fails=False):
        return self.run("kubectl", *arguments, text=text, fails=fails)

    def helm(self, *arguments, values=None, fails=False):
        given = ["--values", "-"] if values else []
        return self.run(HELM, *arguments, *given, text=json.dumps(values) if values else None, fails=fails)

    def read(self, *arguments):
        """What `kubectl get` says, as it is in the API."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def create(self, what, *arguments, fails=False):
        """The object as the API keeps it."""
        answer = self.kubectl("create", "-o", "json", "-f", "-", *arguments, text=json.dumps(what), fails=fails)
        return answer if fails else json.loads(answer)

    def make_namespace(self, name, labels=None):
        """It has its service account, which pods need."""
        if self.get(f"/api/v1/namespaces/{name}") is None:
            self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels or {}}})
        self.wait(
            lambda: self.get(f"/api/v1/namespaces/{name}/serviceaccounts/default"), 60, f"{name} has a service account"
        )
        return name

    def close(self):
        """At once: nothing that they keep is wanted any more."""
        for process in reversed(self.processes.values()):
            process.kill()
        for process in self.processes.values():
            process.wait()
