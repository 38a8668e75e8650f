# SPDX-License-Identifier: Apache-2.0
"""Each privilege of the README's lines: with it the probes work; without it they do not, and it is said why. The README's
table of capabilities is what is found here, by taking them away one by one. Podman gives exactly the capabilities that are
asked for; docker 20.10 knows no CAP_BPF, so there CAP_SYS_ADMIN stands for two."""

import dataclasses
import json
import pathlib
import re

import pytest

from harness import until
from images import ROOT, USER
from watcher import Watcher

UNFILTERED = ["--security-opt", "seccomp=unconfined"]
# In the order in which they are taken away.
PODMAN_KNOWS = ["SYSLOG", "DAC_READ_SEARCH", "SYS_PTRACE", "PERFMON", "BPF"]
DOCKER_KNOWS = ["SYSLOG", "DAC_READ_SEARCH", "SYS_PTRACE", "SYS_ADMIN"]
# Not missed by `check`'s exit status: the probe runs, and gives less.
MORE_WITH_IT = {"SYSLOG"}


def capabilities(*names):
    return ["--cap-drop", "ALL", *(word for name in names for word in ("--cap-add", name))]


def findings(done):
    """`check --format json` by (check, name)."""
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {(line["check"], line["name"]): line for line in lines}


def beside(app):
    return ["--pid", f"container:{app.id}"]


@dataclasses.dataclass
class Case:
    """A row of the README's table: what is run beside which application, and what shows that it works."""

    options: list
    kind: str
    has: tuple = ()
    app: tuple = ("--cap-drop", "ALL")
    program: tuple = ("/app/lookups", "localhost")
    trigger: tuple = ()  # executed in the application's container

    def works(self, side):
        return [
            record
            for record in side.kind(self.kind)
            if all(record.get(key) for key in self.has)
        ]


PLAIN_USER = ("--user", str(USER), "--cap-drop", "ALL")
CASES = {
    "`process`": Case(["--probe", "process"], "exec"),
    "`syscalls`": Case(["--probe", "syscalls"], "syscalls", ("count",)),
    "`syscalls --latency`": Case(["--probe", "syscalls", "--latency"], "syscalls", ("total_ns",)),
    "`write`": Case(["--probe", "write"], "write", trigger=("/app/gai", "call", "127.0.0.5")),
    "`write --latency`": Case(
        ["--probe", "write", "--latency"], "write", ("latency_ns",), trigger=("/app/gai", "call", "127.0.0.5")
    ),
    "`getaddrinfo`: of the same user, with no more capabilities": Case(["--probe", "getaddrinfo"], "getaddrinfo"),
    "`getaddrinfo`: with more capabilities, as engines give by default": Case(["--probe", "getaddrinfo"], "getaddrinfo", app=()),
    "`getaddrinfo`: of another user": Case(["--probe", "getaddrinfo"], "getaddrinfo", app=PLAIN_USER),
    "`getaddrinfo`: in files that only another user may read": Case(
        ["--probe", "getaddrinfo"], "getaddrinfo", app=PLAIN_USER, program=("/owned/lookups", "localhost")
    ),
    "`profile`": Case(["--probe", "profile", "--profile-hz", "1000"], "profile", ("kernel_stack",)),
}


def readme_table():
    """What the README says each row needs, by engine."""
    lines = (pathlib.Path(ROOT) / "README.md").read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| what runs |"))
    names = [re.sub("`", "", cell.strip()) for cell in lines[start].strip("|").split("|")][1:]
    table = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        label, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        needed = {name for name, cell in zip(names, cells) if cell in ("needed", "kernel stacks")}
        assert len(cells) == len(names) == 6, line
        table[label] = {"podman": needed, "docker": set(re.findall("`([A-Z_]+)`", cells[-1]))}
    return table


def skip_where_sysctls_decide(label):
    if label != "`profile`":
        return
    paranoid, hidden = (
        int((pathlib.Path("/proc/sys/kernel") / name).read_text(encoding="ascii"))
        for name in ("perf_event_paranoid", "kptr_restrict")
    )
    if paranoid > 2 or hidden > 1 or (paranoid < 2 and not hidden):
        pytest.skip(f"perf_event_paranoid={paranoid} kptr_restrict={hidden} change what profile needs")


class Trial:
    """One sidecar beside the application, with these capabilities: whether it works, and its words if not."""

    def __init__(self, engine, image, app, case, names):
        options = [*capabilities(*names), *(UNFILTERED if engine.exact else []), "--read-only", *beside(app)]
        self.engine, self.image, self.case, self.options = engine, image, case, options
        side = Watcher(engine.start(image, "run", "--format", "json", *case.options, options=options))
        try:
            self.works = until(lambda: self._decided(app, side), side.state, 60) == "works"
            self.words = "\n".join(side.errors)
        finally:
            engine("kill", side.container.id, code=None)
            side.close()

    def _decided(self, app, side):
        ended = side.process.poll() is not None
        if ended:
            return "ended"
        if not side.messages("ready"):
            return None
        if self.case.trigger:
            app.exec(*self.case.trigger)
        if self.case.works(side):
            return "works"
        refused = [line for line in side.messages("coverage") if "grant" in line["why"]]
        less = refused or (self.case.kind == "profile" and len(side.kind("profile")) >= 30)
        return "less" if less else None

    def check(self):
        return self.engine.run(self.image, "check", "--format", "json", *self.case.options, options=self.options)


def smallest(engine, image, application, case, known):
    """Takes away one capability after another: those without which it does not work are needed. Each that is missing must be
    named, by run and by check."""
    app = engine.start(application, *case.program, options=list(case.app))
    held = list(known)
    assert Trial(engine, image, app, case, held).works, "with all capabilities it must work"
    for name in known:
        left = [one for one in held if one != name]
        trial = Trial(engine, image, app, case, left)
        if trial.works:
            held = left
            continue
        assert_named(trial, f"CAP_{name}", name)
    return set(held)


def assert_named(trial, capability, name):
    done = trial.check()
    found = findings(done)
    if name in MORE_WITH_IT:
        assert done.returncode == 0
        assert [line for line in found.values() if line["state"] == "degraded" and name in line.get("do", "")], done.stdout
        return
    assert capability in trial.words, trial.words
    assert done.returncode == 1, done.stdout
    said = [line for line in found.values() if line["state"] == "no" and name in json.dumps(line)]
    assert said, done.stdout
    for other in {"BPF", "PERFMON", "SYS_PTRACE", "DAC_READ_SEARCH"} - {name}:
        line = found.get(("requirement", f"CAP_{other}"))
        assert name == "SYS_ADMIN" or not line or line["state"] != "no", f"{other} is not what is missing: {line}"


@pytest.mark.parametrize("label", CASES)
def test_the_readmes_table_says_the_smallest_set_of_capabilities(podman, podman_image, podman_application, label):
    skip_where_sysctls_decide(label)
    found = smallest(podman, podman_image, podman_application, CASES[label], PODMAN_KNOWS)
    assert found == readme_table()[label]["podman"]


@pytest.mark.parametrize("label", CASES)
def test_the_same_with_docker_that_knows_no_cap_bpf(docker, image, applications, label):
    skip_where_sysctls_decide(label)
    found = smallest(docker, image, applications["musl"], CASES[label], DOCKER_KNOWS)
    assert found == readme_table()[label]["docker"]


def test_the_readmes_table_has_no_other_row():
    assert list(readme_table()) == [*CASES, "`collect`"]
    assert readme_table()["`collect`"] == {"podman": set(), "docker": set()}


@pytest.mark.parametrize("user", [["--user", "65534:65534"], []], ids=["nobody", "root"])
def test_a_collector_needs_nothing(podman, podman_image, user):
    options = [*capabilities(), "--read-only", "--security-opt", "no-new-privileges", *user]
    collector = podman.start(podman_image, "collect", options=options)
    collector.wait_log("msg=ready")
    with open(f"/proc/{collector.pid}/status", encoding="ascii") as status:
        assert next(int(line.split()[1], 16) for line in status if line.startswith("CapBnd")) == 0
    assert collector.stop() == 0


def test_the_default_filter_of_podman_is_told_from_a_missing_capability(podman, podman_image):
    """It refuses bpf() whatever the capability, unless that is CAP_SYS_ADMIN."""
    filtered, bare = capabilities("BPF", "PERFMON"), [*capabilities(), *UNFILTERED]
    by_filter = findings(podman.run(podman_image, "check", "--format", "json", options=filtered))
    by_capability = findings(podman.run(podman_image, "check", "--format", "json", options=bare))
    # Without a capability the call may get through, and be of no use; with a filter it never does.
    assert by_filter["requirement", "bpf"]["state"] == "no"
    assert by_filter["requirement", "CAP_BPF"]["state"] == "ok"
    assert by_capability["requirement", "CAP_BPF"]["state"] == "no"
    assert "seccomp" in by_filter["requirement", "bpf"]["why"]
    assert "seccomp" not in by_capability["requirement", "bpf"]["why"]
    assert "seccomp=unconfined" in by_filter["requirement", "bpf"]["do"]
    for options, says in ((filtered, True), (bare, False)):
        done = podman.run(podman_image, "run", "--probe", "process", options=options)
        line = next(line for line in done.stderr.splitlines() if "level=error" in line)
        assert done.returncode == 1 and ("seccomp" in line) == says, line


def test_dockers_default_filter_lets_bpf_through_with_sys_admin_and_nothing_works_without(docker, image, watch):
    done = docker.run(image, "run", "--probe", "process", options=capabilities())
    assert done.returncode == 1 and "seccomp" not in done.stderr, done.stderr
    side = watch(docker, image, "--probe", "process,syscalls", options=[*capabilities("SYS_ADMIN"), "--read-only"])
    side.container.exec("/ringside", "version")
    side.wait_for("exec", argv=["/ringside", "version"])
    assert side.container.inspect()["HostConfig"]["SecurityOpt"] is None


def test_a_filter_of_docker_is_told_from_a_missing_capability(docker, image, space):
    profile = space.directory / "no-bpf.json"
    rule = {"names": ["bpf", "perf_event_open"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
    options = [*capabilities("SYS_ADMIN"), "--security-opt", f"seccomp={profile}"]
    done = docker.run(image, "check", "--format", "json", options=options)
    assert done.returncode == 1
    assert "seccomp" in findings(done)["requirement", "bpf"]["why"]
