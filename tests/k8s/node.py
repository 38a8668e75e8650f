# SPDX-License-Identifier: Apache-2.0
"""A Kubernetes node in a virtual machine under software emulation: Debian's kernel, systemd, containerd and runc, and the
kubelet. It reaches the servers at the host's loopback, through qemu's user network; the API server reaches its kubelet at
a port of that loopback."""

import hashlib
import io
import json
import pathlib
import shutil
import subprocess
import tarfile

import servers

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "k8s"
NAME = "localhost"  # the API server asks the host's resolver for it
QEMU = [
    "qemu-system-x86_64",
    "-accel",
    "tcg",
    "-smp",
    "2",
    "-m",
    "3G",
    "-nodefaults",
    "-no-user-config",
    "-display",
    "none",
    "-no-reboot",
    "-cpu",
    "max",
]
PAUSE, APPLICATION, SIDECAR = (f"ringside.test/{name}:1" for name in ("pause", "app", "ringside"))
APPEND = "root=/dev/nvme0n1 rw console=ttyS0 quiet panic=-1 net.ifnames=0 systemd.unit=multi-user.target"


def make_image(path, name, tree, config):
    """A container image of one layer in docker's archive format, with the files of a directory."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for file in sorted(tree.rglob("*")):
            tar.add(file, file.relative_to(tree), recursive=False, filter=owned_by_root)
    digest = "sha256:" + hashlib.sha256(layer.getvalue()).hexdigest()
    files = {
        "layer.tar": layer.getvalue(),
        "config.json": json.dumps(
            {"architecture": "amd64", "os": "linux", "config": config, "rootfs": {"type": "layers", "diff_ids": [digest]}}
        ).encode(),
        "manifest.json": json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]).encode(),
    }
    with tarfile.open(path, "w") as tar:
        for file, data in files.items():
            entry = tarfile.TarInfo(file)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))


def owned_by_root(entry):
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry


class Node:
    """Booted by the constructor; ready once the API server says so (`wait_ready`)."""

    def __init__(self, cluster, images):
        self.cluster = cluster
        self.directory = cluster.directory
        self.console = self.directory / "console"
        subprocess.run([HERE / "node.sh", BUILD, servers.TOOLS / "kubelet"], check=True, timeout=1800)
        port = servers.free_port()
        self._make_second_disk(port, images)
        command = [
            *QEMU,
            "-kernel",
            BUILD / "vmlinuz",
            "-append",
            APPEND,
            "-serial",
            f"file:{self.console}",
            "-drive",
            f"if=none,id=root,format=raw,snapshot=on,file={BUILD / 'disk'}",
            "-device",
            "nvme,serial=root,drive=root",
            "-drive",
            f"if=none,id=boot,format=raw,file={self.directory / 'boot.tar'}",
            "-device",
            "virtio-blk-pci,drive=boot",
            "-netdev",
            f"user,id=net,hostfwd=tcp:127.0.0.1:{port}-:{port}",
            "-device",
            "virtio-net-pci,netdev=net,romfile=",
        ]
        with open(self.directory / "qemu.log", "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        cluster.processes["qemu"] = self.process  # dies with it, and its death is an error of every wait

    def _make_second_disk(self, port, images):
        address = f"https://{servers.HOST_SEEN_BY_GUESTS}:{self.cluster.port}"
        issued = self.cluster.authority.issue("kubelet", f"/O=system:nodes/CN=system:node:{NAME}")
        inside = [pathlib.Path("/etc/kubernetes") / file.name for file in issued]
        kubeconfig = self.cluster.make_kubeconfig("kubelet", address, *inside, authority="/etc/kubernetes/ca.crt")
        (self.directory / "boot.env").write_text(f"PORT={port}\n")
        with tarfile.open(self.directory / "boot.tar", "w") as tar:
            for file in (kubeconfig, self.cluster.authority.certificate, self.directory / "boot.env", *issued):
                tar.add(file, f"etc/kubernetes/{file.name}", filter=owned_by_root)
            for image in images:
                tar.add(image, f"images/{image.name}", filter=owned_by_root)

    def wait_ready(self):
        def ready():
            node = self.cluster.get(f"/api/v1/nodes/{NAME}")
            conditions = json.loads(node)["status"].get("conditions", []) if node else []
            return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

        self.cluster.wait(ready, 600, "the node is ready")


def make_pause(directory):
    tree = directory / "pause"
    tree.mkdir()
    subprocess.run(["gcc", "-static", "-Os", "-o", tree / "pause", HERE / "pause.c"], check=True)
    make_image(directory / "pause.tar", PAUSE, tree, {"Entrypoint": ["/pause"]})
    return directory / "pause.tar"


def make_application(directory):
    """A shell and the lookups' workload, for musl's dynamic library and static."""
    tree = directory / "app"
    for part in ("bin", "lib", "etc", "tmp"):
        (tree / part).mkdir(parents=True)
    shutil.copy(shutil.which("busybox"), tree / "bin" / "busybox")
    for name in ("sh", "sleep", "true", "cat", "date"):
        (tree / "bin" / name).symlink_to("busybox")
    shutil.copy(ROOT / "build/tests/musl/gai", tree / "bin" / "gai")
    shutil.copy(ROOT / "build/tests/static/gai", tree / "bin" / "gai-static")
    shutil.copy("/lib/ld-musl-x86_64.so.1", tree / "lib/ld-musl-x86_64.so.1")
    (tree / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\napp:x:1000:1000::/:/bin/sh\n")
    make_image(directory / "app.tar", APPLICATION, tree, {"Env": ["PATH=/bin"]})
    return directory / "app.tar"


def make_sidecar(directory):
    """The product's image as container/Dockerfile makes it, by buildah, from build/rootfs."""
    buildah = ["buildah", "--root", directory / "storage", "--runroot", directory / "run", "--storage-driver", "vfs"]
    for command in (
        [
            "build",
            "--quiet",
            "--format",
            "docker",
            "--target",
            "prebuilt",
            "--file",
            "container/Dockerfile",
            "--tag",
            SIDECAR,
            ".",
        ],
        ["push", "--quiet", SIDECAR, f"docker-archive:{directory}/ringside.tar:{SIDECAR}"],
    ):
        done = subprocess.run([*buildah, *command], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"buildah {command[0]}: {done.stderr}"
    return directory / "ringside.tar"
