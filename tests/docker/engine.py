# SPDX-License-Identifier: Apache-2.0
"""A container engine of the tests' own, and its containers."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

from harness import until

class Engine:
    """What docker and podman have in common: their command line."""

    exact = False  # gives exactly the capabilities that are asked for, CAP_BPF among them

    def __init__(self, space, cli, run_options):
        self.space = space
        self.cli = cli
        self.run_options = run_options

    def __call__(self, *args, code=0, timeout=120):
        """Runs a command of the engine; code None: any exit status."""
        done = subprocess.run([*self.cli, *map(str, args)], capture_output=True, text=True, timeout=timeout, check=False)
        if code is not None:
            assert done.returncode == code, f"{' '.join(done.args)}: {done.returncode}, not {code}\n{done.stdout}{done.stderr}"
        return done

    def _options(self, options):
        network = [] if "--network" in options else ["--network", "none"]
        return [*self.run_options, *network, *options]

    def run(self, image, *args, options=()):
        """Runs a container to its end."""
        return self("run", "--rm", *self._options(options), image, *args, code=None)

    def start(self, image, *args, options=()):
        # The last word: podman puts its warnings first.
        return Container(self, self("run", "--detach", *self._options(options), image, *args).stdout.split()[-1])

    def remove_all(self):
        ids = self("ps", "--all", "--quiet", "--no-trunc").stdout.split()
        if ids:
            self("kill", *ids, code=None)  # rm --force would wait for each to end by itself
            self("rm", "--force", *ids, code=None)


class Container:
    def __init__(self, engine, identity):
        self.engine = engine
        self.id = identity

    def inspect(self):
        return json.loads(self.engine("inspect", self.id).stdout)[0]

    @property
    def pid(self):
        """Its first process, as the host counts."""
        return self.inspect()["State"]["Pid"]

    def exec(self, *args, options=(), code=0):
        return self.engine("exec", *options, self.id, *args, code=code)

    def log(self):
        done = self.engine("logs", self.id)
        return done.stdout + done.stderr

    def stop(self):
        """As a user would; returns the exit status."""
        self.engine("stop", self.id)
        return self.wait()

    def wait(self):
        def ended():
            state = self.inspect()["State"]
            return None if state["Running"] else state

        return until(ended, f"container {self.id[:12]} to end\n{self.log()}", 30)["ExitCode"]

    def wait_log(self, text):
        return until(lambda: text in self.log(), lambda: f"{text!r} in\n{self.log()}", 30)

    def wait_health(self, status):
        def health():
            return self.inspect()["State"].get("Health", {}).get("Status") == status

        until(health, lambda: f"health {status}: {self.inspect()['State']}\n{self.log()}", 30)


def dockerd(space):
    """Yields nothing where it can't run: skips, with what it said."""
    directory = space.directory / "docker"
    directory.mkdir()
    for name in ("dockerd", "docker"):
        if not shutil.which(name):
            pytest.skip(f"no {name} is installed: make setup-test")
    log = open(directory / "log", "w", encoding="utf-8")  # pylint: disable=consider-using-with
    daemon = subprocess.Popen(
        space.command(
            "setpriv", "--pdeathsig", "TERM", "dockerd", "--iptables=false", "--bridge=none",
            "--data-root", directory / "data", "--exec-root", directory / "exec", "--pidfile", directory / "pid",
            "--host", f"unix://{directory}/sock", "--cgroup-parent", space.cgroup,
            # No configuration of the machine's.
            "--config-file", _empty(directory), "--shutdown-timeout", "3",
        ),
        stdin=subprocess.DEVNULL, stdout=log, stderr=log,
    )
    log.close()
    engine = Engine(space, ["docker", "--host", f"unix://{directory}/sock"], [])
    engine.host = f"unix://{directory}/sock"

    def answers():
        return daemon.poll() is not None or engine("version", code=None).returncode == 0

    try:
        until(answers, "dockerd to answer", 60, 0.2)
        if daemon.poll() is not None:
            lines = (directory / "log").read_text(encoding="utf-8").strip().splitlines()
            pytest.skip(f"dockerd does not run here: {lines[-1] if lines else 'it said nothing'}")
        yield engine
    finally:
        if daemon.poll() is None:
            engine.remove_all()
            daemon.terminate()
        try:
            daemon.wait(20)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def _empty(directory):
    path = directory / "daemon.json"
    path.write_text("{}", encoding="utf-8")
    return path


def podman_words(space):
    directory = space.directory / "podman"
    # The runtime reads and would raise limits that this machine may not raise.
    return [
        "podman", "--root", directory / "root", "--runroot", directory / "run", "--tmpdir", directory / "tmp",
        "--cgroup-manager=cgroupfs", "--runtime", "runc", "--events-backend", "file", "--log-level", "fatal",
    ]


def podman(space):
    for name in ("podman", "runc"):
        if not shutil.which(name):
            pytest.skip(f"no {name} is installed: make setup-test")
    options = [
        "--pids-limit", "0", "--ulimit", "nofile=1000:1000", "--ulimit", "nproc=1000:1000",
        "--cgroup-parent", space.cgroup, "--log-driver", "k8s-file", "--no-healthcheck",
    ]
    engine = Engine(space, space.command(*podman_words(space)), options)
    engine.exact = True
    done = engine("info", code=None)
    if done.returncode:
        pytest.skip(f"podman does not run here: {done.stderr.strip().splitlines()[-1]}")
    try:
        yield engine
    finally:
        engine.remove_all()


def base_image(cache):
    """The tarball of a minimal Debian, made from the machine's own mirror, once."""
    path = cache / "bookworm-slim.tar"
    if path.exists():
        return path
    if not shutil.which("mmdebstrap"):
        pytest.skip("no mmdebstrap is installed: make setup-test")
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI)", "Created-By: Packages"],
        capture_output=True, text=True, check=False,
    ).stdout.split("\n")
    mirrors = [line.split()[1] for line in listed if line.startswith("Debian ") and "security" not in line]
    if not mirrors:
        pytest.skip("apt knows no Debian mirror to make a base image from: apt-get update")
    cache.mkdir(parents=True, exist_ok=True)
    unfinished = pathlib.Path(f"{path}.{os.getpid()}")
    done = subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=minbase", "--mode=root", "--format=tar", "bookworm", unfinished,
         f"deb {mirrors[0]} bookworm main"],
        capture_output=True, text=True, check=False,
    )
    if done.returncode:
        unfinished.unlink(missing_ok=True)
        pytest.skip(f"mmdebstrap cannot make a base image: {done.stderr.strip().splitlines()[-1]}")
    unfinished.rename(path)
    return path
