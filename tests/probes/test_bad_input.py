# SPDX-License-Identifier: Apache-2.0
"""Wrong calls and unwilling machines: one line that says what, an exit status that says whose fault, no spin, no hang."""

import fcntl
import os
import signal
import socket
import subprocess
import time

import pytest

from harness import logfmt, until

WRONG_CALL, REFUSED = 2, 1
F_SETPIPE_SZ = 1031


def invoke(binary, *args, wrapper=(), **options):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RINGSIDE_")}
    environment.update(options.pop("env", {}))
    return subprocess.run(
        [*wrapper, str(binary), *map(str, args)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, env=environment, **options,
    )


def one_line(done, *words):
    """It printed nothing on stdout, and on stderr one line, which holds these words."""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, f"not one line: {done}"
    for word in words:
        assert word in lines[0], f"{word!r} is not in {lines[0]!r}"
    assert done.stdout == "", done


@pytest.fixture
def scope(cgroup):
    return f"cgroup:{cgroup.path}"


@pytest.mark.parametrize("value", [b"k\xff=v", b"k=\xff"])
def test_an_attribute_that_is_not_utf8_is_a_wrong_call(binary, scope, value):
    done = subprocess.run(
        [str(binary), "run", "--scope", scope, "--attribute", value], capture_output=True, timeout=30, check=False
    )
    assert done.returncode == WRONG_CALL and b"--attribute" in done.stderr and b"UTF-8" in done.stderr, done


@pytest.mark.parametrize("command", ["run", "collect", "cat", "check", "health"])
def test_an_unknown_option_is_a_wrong_call_and_named(binary, command):
    done = invoke(binary, command, "--no-such-option")
    assert done.returncode == WRONG_CALL, done
    one_line(done, "--no-such-option")


def test_an_unknown_command_is_a_wrong_call_and_named(binary):
    done = invoke(binary, "jump")
    assert done.returncode == WRONG_CALL, done
    assert "jump" in done.stderr and done.stdout == ""


@pytest.mark.parametrize(
    "option,value",
    [
        ("--probe", "nonsense"), ("--probe", "process,nonsense"), ("--format", "xml"), ("--ring-samples", "many"),
        ("--ring-samples", "-1"), ("--flush-interval", "5 parsecs"), ("--write-sample", "0"), ("--scope", "nonsense"),
        ("--scope", "pid:x"), ("--scope", "id:nine"), ("--collector", "127.0.0.1:99999"), ("--attribute", "novalue"),
    ],
)
def test_a_bad_value_is_a_wrong_call_and_names_option_and_value(binary, scope, option, value):
    first = [] if option == "--scope" else ["--scope", scope]
    done = invoke(binary, "run", *first, option, value)
    assert done.returncode == WRONG_CALL, done
    one_line(done, option, value.split(",")[-1])


def test_a_bad_value_in_the_environment_is_a_wrong_call_and_named(binary, scope):
    done = invoke(binary, "run", "--scope", scope, env={"RINGSIDE_FLUSH_INTERVAL": "soon"})
    assert done.returncode == WRONG_CALL, done
    one_line(done, "soon")
    assert "RINGSIDE_FLUSH_INTERVAL" in done.stderr or "--flush-interval" in done.stderr


def test_an_option_without_its_value_is_a_wrong_call(binary):
    done = invoke(binary, "run", "--scope")
    assert done.returncode == WRONG_CALL, done
    one_line(done, "scope")


@pytest.mark.parametrize("value", ["cgroup:/no/such/cgroup", "pid:2147483000", "docker:0123456789ab", "id:18446744073709"])
def test_a_scope_that_does_not_exist_is_refused_and_named(binary, value):
    done = invoke(binary, "run", "--scope", value)
    assert done.returncode in (WRONG_CALL, REFUSED), done
    one_line(done, value.split(":", 1)[1])


def test_without_a_scope_on_a_host_it_must_be_given(binary):
    done = invoke(binary, "run")
    assert done.returncode in (WRONG_CALL, REFUSED), done
    one_line(done, "--scope")


def test_a_port_in_use_is_refused_and_named(binary):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = invoke(binary, "collect", "--listen", f"127.0.0.1:{port}")
    assert done.returncode == REFUSED, done
    one_line(done, str(port))


def test_plain_tcp_beyond_loopback_must_be_asked_for(binary):
    done = invoke(binary, "collect", "--listen", "0.0.0.0:0")
    assert done.returncode == WRONG_CALL, done
    one_line(done, "--insecure")


def test_without_root_it_says_what_is_missing(binary, scope, tmp_path):
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    copy = tmp_path / "ringside"
    copy.write_bytes(binary.read_bytes())
    copy.chmod(0o755)
    for parent in [tmp_path, *tmp_path.parents]:
        if not os.stat(parent).st_mode & 1:
            os.chmod(parent, os.stat(parent).st_mode | 0o11)
    done = invoke(copy, "run", "--scope", scope, wrapper=nobody)
    assert done.returncode == REFUSED, done
    one_line(done)
    assert "CAP_" in done.stderr or "root" in done.stderr, done


def test_root_without_capabilities_says_which_are_missing(binary, scope):
    done = invoke(binary, "run", "--scope", scope, wrapper=["setpriv", "--bounding-set=-all", "--inh-caps=-all"])
    assert done.returncode == REFUSED, done
    one_line(done, "CAP_")


def test_a_file_that_does_not_exist_is_refused_and_named(binary):
    done = invoke(binary, "cat", "/no/such/file")
    assert done.returncode == REFUSED, done
    one_line(done, "/no/such/file")


def test_garbage_in_a_file_is_refused_with_one_line(binary, tmp_path):
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
    done = invoke(binary, "cat", "--format", "json", garbage)
    assert done.returncode == REFUSED, done
    one_line(done, "garbage")


def test_help_and_version_are_no_errors(binary):
    for args in (["--help"], ["run", "--help"], ["collect", "--help"], ["cat", "--help"], ["check", "--help"],
                 ["health", "--help"], ["version"]):
        done = invoke(binary, *args)
        assert done.returncode == 0 and done.stdout and not done.stderr, (args, done)


def test_health_of_nobody_is_an_error(binary):
    done = invoke(binary, "health", wrapper=["unshare", "--mount"])
    assert done.returncode == REFUSED, done
    one_line(done)


# ---------------------------------------------------------------- the other side is not there, or does not listen


def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_an_unreachable_collector_is_said_once_and_tried_again(sidecar, run, cgroup):
    port = unused_port()
    side = sidecar("--collector", f"127.0.0.1:{port}", probe="process")
    side.wait(lambda: any(str(port) in line and "msg=ready" not in line for line in side.errors), "a word about it")
    run("/bin/true", cgroup=cgroup).finish()
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))
        server.listen()
        server.settimeout(60)
        server.accept()[0].close()  # it did try again
    about = [line for line in side.errors if str(port) in line and "refused" in line.lower()]
    assert len(about) <= 1, about
    side.accounted = False
    side.stop()
    assert side.process.returncode == 0 and side.done, side.state()
    assert int(side.done["process_produced"]) == 2 and int(side.done["stream0_taken"]) == 2
    assert int(side.done["stream0_acknowledged"]) == 0


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start_with_stdout(binary, cgroup, stdout, *args):
    return subprocess.Popen(
        [str(binary), "run", "--scope", f"cgroup:{cgroup.path}", "--probe", "write", "--format", "json", *args],
        stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, text=True,
    )


def wait_line(stream, msg):
    for line in stream:
        if f"msg={msg}" in line:
            return line
    raise AssertionError(f"stderr ended without msg={msg}")


def test_a_stdout_that_closes_ends_it_clearly(binary, run, cgroup):
    ours, theirs = os.pipe()
    process = start_with_stdout(binary, cgroup, theirs)
    os.close(theirs)
    try:
        wait_line(process.stderr, "ready")
        os.close(ours)
        run("write_flood", "--count", 100, gate=True).open_gate(cgroup).finish()
        process.wait(20)
        rest = process.stderr.read().strip().splitlines()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    assert process.returncode in (0, REFUSED), process.returncode
    assert any("stdout" in line for line in rest) and len(rest) <= 2, rest


def test_a_stdout_that_nobody_reads_costs_records_and_no_spin(binary, run, cgroup):
    ours, theirs = os.pipe()
    fcntl.fcntl(ours, F_SETPIPE_SZ, 4096)
    process = start_with_stdout(binary, cgroup, theirs)
    os.close(theirs)
    try:
        wait_line(process.stderr, "ready")
        made = run("write_flood", "--count", 200000, "--kinds", "write", gate=True).open_gate(cgroup).finish()
        # It may still be reading the ring; then it must come to rest although stdout is full.
        until(lambda: _rests(process.pid), "the sidecar to come to rest", 30)
        process.send_signal(signal.SIGTERM)
        done = logfmt.parse(wait_line(process.stderr, "done"))
        process.wait(20)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
        os.close(ours)
    assert process.returncode == 0
    produced, lost, taken = (int(done[key]) for key in ("write_produced", "write_lost", "stream1_taken"))
    assert produced == sum(kind["calls"] for kind in made["kinds"].values()) + made["report_writes"]
    assert produced - lost == taken
    acknowledged = int(done["stream1_acknowledged"])
    assert acknowledged < taken
    assert done["level"] == "warn" and int(done["not_acknowledged"]) == taken - acknowledged, done


def test_a_stdout_that_was_closed_before_the_start_is_an_error(binary, scope):
    command = [str(binary), "run", "--scope", scope, "--probe", "process"]
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&- <&-', "sh", *command], stderr=subprocess.PIPE, text=True, timeout=30, check=False
    )
    assert done.returncode == REFUSED
    assert "cannot write to stdout" in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr


def test_no_open_descriptors_at_all_do_no_harm_to_a_capture(binary, run, cgroup, tmp_path):
    file = tmp_path / "capture.rs"
    command = [str(binary), "run", "--scope", f"cgroup:{cgroup.path}", "--probe", "write", "--capture", str(file)]
    process = subprocess.Popen(["sh", "-c", 'exec "$@" >&- <&- 2>&-', "sh", *command, "--format", "none"])
    until(lambda: file.exists() and file.stat().st_size, "the capture")
    flood = run("write_flood", "--count", 1000, gate=True).open_gate(cgroup)
    flood.finish()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    done = invoke(binary, "cat", file, "--format", "json")
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert done.stdout.count('"kind":"write"') >= 1000


def _rests(pid):
    """In one second it uses less than a tenth of a CPU: a spin would use all of one."""
    before = cpu_seconds(pid)
    time.sleep(1)
    return cpu_seconds(pid) - before < 0.1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_other_signals_end_it_as_sigterm_does(sidecar, number):
    side = sidecar(probe="process")
    side.stop(number)
    assert side.process.returncode == 0 and side.done
