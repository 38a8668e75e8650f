# SPDX-License-Identifier: Apache-2.0
"""`run --standby`: a sidecar that can't observe stays, counts as ready, and tells its log and its collector why."""

import signal
import socket
import subprocess
import time

import pytest

from stream import PATIENCE, wait_for
from test_metrics import scrape

WITHOUT_CAPABILITIES = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
REFUSED = "neither CAP_BPF nor CAP_SYS_ADMIN is held"


def address_of(collector):
    return "%s:%d" % collector.address


class Standby:
    """In a mount namespace of its own, where nobody else answers `health`."""

    def __init__(self, binary, path, *options, before=(), env=None):
        self.binary, self.path = binary, path
        with open(path, "w") as errors:
            self.process = subprocess.Popen(
                ["unshare", "--mount", *before, binary, "run", "--scope", "host", *options],
                stdout=subprocess.PIPE, stderr=errors, text=True, env=env,
            )  # fmt: skip

    def log(self):
        return self.path.read_text()

    def wait_log(self, text):
        wait_for(lambda: text in self.log(), f"{text} in its log")
        return self

    def health(self):
        inside = ["nsenter", "--mount", "--target", str(self.process.pid)]
        return subprocess.run([*inside, self.binary, "health"], capture_output=True, text=True, timeout=PATIENCE, check=False)

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(PATIENCE)


@pytest.fixture
def standby(binary, tmp_path):
    started = []

    def start(*options, **how):
        started.append(Standby(binary, tmp_path / f"standby{len(started)}", *options, **how))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()


def test_what_the_kernel_refuses_is_told_and_health_is_answered(collector, standby):
    server = collector("--metrics", "127.0.0.1:0")
    one = standby("--standby", "--collector", address_of(server), before=WITHOUT_CAPABILITIES)
    assert server.wait_log("agent observes nothing", REFUSED).startswith("level=warn ")
    assert scrape(server)["ringside_collector_standby_agents"] == 1
    said = one.wait_log("collector connected").log()
    assert REFUSED in said and said.count("level=error") == 1 and 'msg="standing by"' in said
    health = one.health()
    assert health.returncode == 0 and "it stands by" in health.stderr
    assert one.end() == 1
    for stream in 0, 1:
        server.wait_log("msg=balance", f"stream={stream} holds=yes", "end=bye")
    assert scrape(server)["ringside_collector_standby_agents"] == 0


def test_pods_on_one_host_name_are_agents_of_their_own(collector, standby):
    server = collector()
    for uid in "one", "two":
        standby("--standby", "--collector", address_of(server), "--attribute", f"k8s.pod.uid={uid}", "--probe", "nonsense")
    wait_for(lambda: sum("agent observes nothing" in line for line in server.log) == 2, "both agents")
    assert not [line for line in server.log if "peer cut off" in line]


def test_a_wrong_option_is_told_like_it(collector, standby):
    server = collector()
    one = standby("--collector", address_of(server), "--probe", "nonsense", env={"RINGSIDE_STANDBY": "1"})
    server.wait_log("agent observes nothing", "value: nonsense; why: no such probe")
    assert one.end(signal.SIGINT) == 2


def test_a_variable_before_it_that_is_wrong_does_not_hide_it(standby):
    one = standby(env={"RINGSIDE_INCLUDE_SELF": "maybe", "RINGSIDE_STANDBY": "1", "RINGSIDE_COLLECTOR": "127.0.0.1:1"})
    said = one.wait_log("standing by").log()
    assert "option=RINGSIDE_INCLUDE_SELF value=maybe" in said and "it is not told" in said
    assert one.health().returncode == 0
    assert one.end() == 2


def test_a_collector_that_comes_later_is_told_and_one_that_never_comes_holds_nothing_up(collector, standby):
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        address = "127.0.0.1:%d" % place.getsockname()[1]
    one = standby("--standby", "--collector", address, "--probe", "nonsense").wait_log("collector unreachable")
    assert one.health().returncode == 0
    server = collector("--listen", address)
    server.wait_log("agent observes nothing", "no such probe")
    server.end()
    began = time.monotonic()
    assert one.end() == 2 and time.monotonic() - began < 4


def test_one_that_can_observe_does(standby):
    one = standby("--standby", "--format", "json", "--probe", "process").wait_log("msg=ready")
    health = one.health()
    assert health.returncode == 0 and health.stderr == ""
    assert '"kind":"exec"' in one.process.stdout.readline()
    assert one.end() == 0 and "standing by" not in one.log()


def test_without_it_the_refusal_ends_the_process(standby):
    one = standby(before=WITHOUT_CAPABILITIES)
    assert one.process.wait(PATIENCE) == 1 and REFUSED in one.log()
