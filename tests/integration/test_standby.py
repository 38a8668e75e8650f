# SPDX-License-Identifier: Apache-2.0
"""`run --standby`: a sidecar that can't observe stays, counts as ready, and tells its log and its collector why."""

import signal
import socket
import subprocess
import time

import pytest

from harness.sidecar import Sidecar
from stream import PATIENCE, hears, wait_for
from test_metrics import scrape

WITHOUT_CAPABILITIES = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
REFUSED = "neither CAP_BPF nor CAP_SYS_ADMIN is held"


def address_of(collector):
    return "%s:%d" % collector.address


def health(binary, side):
    inside = ["nsenter", "--mount", "--target", str(side.pid), binary, "health"]
    return subprocess.run(inside, capture_output=True, text=True, timeout=PATIENCE, check=False)


def end(side, how=signal.SIGTERM):
    return side.stop(how).process.returncode


@pytest.fixture
def standby(binary):
    """A function that starts `ringside run` in a mount namespace of its own, where nobody else answers `health`."""
    started = []

    def start(*options, probe=None, before=(), env=None):
        started.append(Sidecar(binary, options, probe, ["host"], ["unshare", "--mount", *before], env))
        return started[-1]

    yield start
    for one in started:
        one.kill()


def test_what_the_kernel_refuses_is_told_and_health_is_answered(binary, collector, standby):
    server = collector("--metrics", "127.0.0.1:0")
    one = standby("--standby", "--collector", address_of(server), before=WITHOUT_CAPABILITIES)
    assert server.wait_log("agent observes nothing", REFUSED).startswith("level=warn ")
    assert scrape(server)["ringside_collector_standby_agents"] == 1
    hears(one, "collector connected")
    (error,) = [line for line in one.errors if "level=error" in line]
    assert REFUSED in error and one.messages("standing by")
    answer = health(binary, one)
    assert answer.returncode == 0 and "it stands by" in answer.stderr
    assert end(one) == 1
    for stream in 0, 1:
        server.wait_log("msg=balance", f"stream={stream} holds=yes", "end=bye")
    assert scrape(server)["ringside_collector_standby_agents"] == 0


@pytest.mark.parametrize("options", [
    [["--attribute", "k8s.pod.uid=one"], ["--attribute", "k8s.pod.uid=two"]],
    [["--scope", "cgroup:/one"], ["--scope", "cgroup:/two"]],
])  # fmt: skip
def test_those_on_one_host_name_are_agents_of_their_own(collector, standby, options):
    server = collector()
    for own in options:
        standby("--standby", "--collector", address_of(server), *own, probe="nonsense")
    wait_for(lambda: sum("agent observes nothing" in line for line in server.log) == 2, "both agents")
    assert not [line for line in server.log if "peer cut off" in line]


def test_a_wrong_option_is_told_like_it(collector, standby):
    server = collector()
    one = standby("--collector", address_of(server), probe="nonsense", env={"RINGSIDE_STANDBY": "1"})
    server.wait_log("agent observes nothing", "value: nonsense; why: no such probe")
    assert end(one, signal.SIGINT) == 2


WRONG = {
    "an option before it": (["--bogus"], {}, "option: --bogus"),
    "an argument": (["bogus"], {}, "value: bogus"),
    "a variable": ([], {"RINGSIDE_INCLUDE_SELF": "maybe"}, "value: maybe"),
    "the format": (["--format", "bogus"], {}, "value: bogus"),
    "an attribute": (["--attribute", "bogus"], {}, "value: bogus"),
    "too long attributes": (["--attribute", "a=" + 3000 * "b"], {}, "longer than 3000"),
    "the agent's id": (["--agent-id", 256 * "b"], {}, "1 to 255"),
    "a certificate without its key": (["--tls-cert", "{cert}"], {}, "give --tls-key"),
    "a key of another certificate": (["--tls-cert", "{cert}", "--tls-key", "{cakey}"], {}, "not the certificate's"),
    "a token": ([], {"RINGSIDE_TOKEN": "short"}, "16 to 256 bytes"),
}


@pytest.mark.parametrize("options, env, why", WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_told_wherever_the_collector_can_be_reached(binary, collector, standby, authority, server, options, env, why):
    files = {"cert": server.cert, "cakey": authority.key}
    there = collector(*server.options())
    one = standby(*(word.format(**files) for word in options), "--standby", "--collector", address_of(there), "--tls-ca", authority.cert,
                  env=env)  # fmt: skip
    there.wait_log("agent observes nothing", why)
    assert health(binary, one).returncode == 0
    assert end(one) == 2


def test_without_a_way_to_the_collector_the_log_says_so(binary, standby):
    one = standby("--collector", "127.0.0.1:1", "--tls-ca", "/nonexistent", env={"RINGSIDE_STANDBY": "1"})
    hears(one, "standing by", "it is not told")
    hears(one, "option=--tls-ca", "file=/nonexistent")
    assert health(binary, one).returncode == 0
    assert end(one) == 2


def test_the_reason_takes_the_room_that_attributes_leave(collector, standby, authority, server, tmp_path):
    token = 256 * "t"
    (tmp_path / "tokens").write_text(f"{token} *\n")
    there = collector(*server.options(), "--token-file", tmp_path / "tokens")
    attributes = [word for i in range(32) for word in ("--attribute", f"{i:02}={(90 if i else 114) * 'v'}")]
    standby("--standby", "--collector", address_of(there), "--tls-ca", authority.cert, "--agent-id", 255 * "a", *attributes,
            before=["unshare", "--uts", "sh", "-c", f'echo {64 * "h"} > /proc/sys/kernel/hostname && exec "$@"', "sh"],
            probe=300 * "n", env={"RINGSIDE_TOKEN": token})  # fmt: skip
    there.wait_log("agent observes nothing", "wrong value; option: --probe; value: nnn")


def test_health_is_answered_as_soon_as_its_name_is_free(binary, standby):
    first = standby("--standby", probe="nonsense")
    hears(first, "standing by")
    second = standby("--standby", probe="nonsense", before=["nsenter", "--mount", "--target", str(first.pid)])
    hears(second, "another sidecar of this mount namespace answers")
    first.kill()
    wait_for(lambda: health(binary, second).returncode == 0, "the name")


def test_without_a_descriptor_for_signals_it_ends(standby):
    one = standby("--standby", probe="nonsense", before=["prlimit", "--nofile=3"])
    hears(one, "cannot stand by", "No file descriptors")
    assert one.process.wait(PATIENCE) == 2


def test_a_collector_that_comes_later_is_told_and_one_that_never_comes_holds_nothing_up(binary, collector, standby):
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        address = "127.0.0.1:%d" % place.getsockname()[1]
    one = standby("--standby", "--collector", address, probe="nonsense")
    hears(one, "collector unreachable")
    assert health(binary, one).returncode == 0
    server = collector("--listen", address)
    server.wait_log("agent observes nothing", "no such probe")
    server.end()
    began = time.monotonic()
    assert end(one) == 2 and time.monotonic() - began < 4


def test_one_that_can_observe_does(binary, standby):
    one = standby("--standby", probe="process")
    one.wait_ready()
    answer = health(binary, one)
    assert answer.returncode == 0 and answer.stderr == ""
    one.wait_for("exec")
    assert end(one) == 0 and not one.messages("standing by")


def test_without_it_the_refusal_ends_the_process(standby):
    one = standby(before=WITHOUT_CAPABILITIES)
    assert one.process.wait(PATIENCE) == 1
    wait_for(lambda: any(REFUSED in line for line in one.errors), "the reason")
