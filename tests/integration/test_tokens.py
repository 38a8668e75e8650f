# SPDX-License-Identifier: Apache-2.0
"""Tokens: from a file or the environment of `ringside run`, to `ringside collect`, which has a list of them."""

import os
import pathlib
import subprocess

import pytest

from stream import Closed, hears, wait_for

TOKEN, OTHER = "a-token-of-some-length", "another-token-of-some-length"
PORT = "127.0.0.1:%d"


@pytest.fixture
def tokens(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"# who may\n{TOKEN} shop-* host.name=* k8s.namespace.name=shop\n")
    return path


@pytest.fixture
def asking(collector, server, tokens):
    return collector(*server.options(), "--token-file", str(tokens))


@pytest.fixture
def welcome(agent, authority):
    """A function: whether a collector takes an agent with this token."""

    def ask(collector, token):
        one = agent(collector, b"shop-9", tls=authority.context(), hello=False)
        one.send(one.hello(token=token.encode()))
        try:
            one.expect("welcome")
            return True
        except (AssertionError, Closed):
            return False
        finally:
            one.close()

    return ask


def token_file(directory, text):
    path = directory / f"token-{len(text)}"
    path.write_text(text + "\n")
    return path


def test_tokens_are_asked_for_inside_tls(asking, run_to, authority, tmp_path):
    tls = ["--tls-ca", authority.cert]
    right = ["--token-file", token_file(tmp_path, TOKEN)]
    wrong = ["--token-file", token_file(tmp_path, OTHER)]
    hears(run_to(asking, *tls, *right, "--agent-id", "shop-1", "--attribute", "k8s.namespace.name=shop"), "collector connected")
    hears(run_to(asking, *tls, *wrong, "--agent-id", "shop-2"), "refused the session", "token is not known")
    hears(run_to(asking, *tls, *right, "--agent-id", "bank-1"), "refused the session", "not for this agent id")
    hears(run_to(asking, *tls, *right, "--agent-id", "shop-4", "--attribute", "k8s.namespace.name=bank"), "refused the session",
          "attributes")
    assert sum("agent connected" in line for line in asking.log) == 1
    assert not any(secret in line for secret in (TOKEN, OTHER) for line in asking.log)


@pytest.mark.parametrize("text", [TOKEN, TOKEN + "\n", f" \t{TOKEN}\r\n\n"])
def test_a_token_of_the_environment_counts_without_the_blanks_around_it(asking, run_to, authority, text):
    side = run_to(asking, "--tls-ca", authority.cert, "--agent-id", "shop-1", env={"RINGSIDE_TOKEN": text})
    hears(side, "collector connected")


def test_root_without_capabilities_reads_neither_environment_nor_memory(asking, run_to, authority):
    """As another container of the pod is, with which it shares a PID namespace."""
    side = run_to(asking, "--tls-ca", authority.cert, "--agent-id", "shop-1", env={"RINGSIDE_TOKEN": TOKEN})
    hears(side, "collector connected")
    neighbour = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "head", "--bytes=1"]
    assert subprocess.run([*neighbour, "/proc/self/environ"], capture_output=True, timeout=20, check=True).stdout
    threads = list(pathlib.Path(f"/proc/{side.process.pid}/task").iterdir())
    assert len(threads) > 1
    for path in [thread / name for thread in threads for name in ("environ", "mem")]:
        done = subprocess.run([*neighbour, path], capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 1 and "Permission denied" in done.stderr, (path, done)


def test_a_wrong_token_of_the_environment_is_refused_and_told_nowhere(asking, run_to, authority):
    side = run_to(asking, "--tls-ca", authority.cert, "--agent-id", "shop-1", env={"RINGSIDE_TOKEN": OTHER})
    hears(side, "refused the session", "token is not known")
    asking.wait_log("peer cut off", "token is not known")
    assert OTHER not in "".join(asking.log + side.errors)


def test_a_token_of_the_environment_is_shown_again_at_each_connection(collector, asking, run_to, run, cgroup, authority, server, tokens):
    side = run_to(asking, "--tls-ca", authority.cert, "--agent-id", "shop-1", env={"RINGSIDE_TOKEN": TOKEN + "\n"})
    hears(side, "collector connected")
    asking.kill()
    hears(side, "collector unreachable")
    run("proc_shapes", "vfork", "/bin/true", cgroup=cgroup).finish()
    again = collector(*server.options(), "--token-file", str(tokens), "--listen", PORT % asking.address[1])
    again.wait_log("agent connected")
    side.stop()
    assert side.done["stream0_acknowledged"] == side.done["stream0_taken"] != "0"
    assert again.balance(0, agent="shop-1")["holds"] == "yes"


def test_without_a_token_the_sidecar_goes_on_until_it_may_pass(collector, asking, run_to, run, cgroup, authority, server):
    """As in a pod whose namespace lacks the secret: no variable, or an empty one."""
    side = run_to(asking, "--tls-ca", authority.cert, "--agent-id", "shop-1", env={"RINGSIDE_TOKEN": ""})
    hears(side, "refused the session", "no token came")
    run("proc_shapes", "vfork", "/bin/true", cgroup=cgroup).finish()
    wait_for(lambda: sum("no token came" in line for line in asking.log) >= 3, "three tries")
    assert sum("refused the session" in line for line in side.errors) == 1
    assert not any("agent connected" in line for line in asking.log)
    asking.kill()
    other = collector(*server.options(), "--listen", PORT % asking.address[1])
    other.wait_log("agent connected")
    side.stop()
    assert side.done["stream0_acknowledged"] == side.done["stream0_taken"] != "0"
    assert other.balance(0, agent="shop-1")["holds"] == "yes"


def test_new_tokens_are_taken_and_a_broken_list_is_not(asking, welcome, tokens):
    assert welcome(asking, TOKEN) and not welcome(asking, OTHER)
    tokens.write_text("nonsense\n")
    wait_for(lambda: welcome(asking, TOKEN) and any("cannot take the new tokens" in line for line in asking.log), "the line", 30)
    tokens.write_text(f"{OTHER} *\n")
    wait_for(lambda: welcome(asking, OTHER), "the new token", 30)
    assert not welcome(asking, TOKEN)


def test_a_list_in_a_secrets_volume_is_taken_when_kubernetes_swaps_it(collector, welcome, server, tmp_path):
    """The kubelet makes a new directory and moves one link; the file's own path stays a link to a link."""
    volume = tmp_path / "volume"

    def publish(number, text):
        (volume / f"..{number}").mkdir(parents=True)
        (volume / f"..{number}" / "tokens").write_text(text)
        os.symlink(f"..{number}", volume / "..data_tmp")
        os.replace(volume / "..data_tmp", volume / "..data")

    publish(1, f"{TOKEN} *\n")
    os.symlink("..data/tokens", volume / "tokens")
    c = collector(*server.options(), "--token-file", str(volume / "tokens"))
    assert welcome(c, TOKEN) and not welcome(c, OTHER)
    publish(2, f"{OTHER} *\n")
    wait_for(lambda: welcome(c, OTHER), "the new list", 30)
    assert not welcome(c, TOKEN)


RUN = ["run", "--scope", "host", "--collector", "127.0.0.1", "--tls-ca", "{ca}"]
WRONG_CALLS = {
    "a token in the clear": (["run", "--collector", "10.0.0.1", "--insecure", "--token-file", "{list}"], {}, "--token-file", "--tls-ca"),
    "a token on plain loopback": (["run", "--collector", "127.0.0.1", "--token-file", "{list}"], {}, "--token-file", "--tls-ca"),
    "a file without a token": ([*RUN, "--token-file", "{list}"], {}, "--token-file", "16 to 256"),
    "the environment's in the clear": (["run", "--collector", "127.0.0.1"], {"RINGSIDE_TOKEN": TOKEN}, "--token", "--tls-ca"),
    "too short": (RUN, {"RINGSIDE_TOKEN": TOKEN[:15]}, "--token", "16 to 256"),
    "too long": (RUN, {"RINGSIDE_TOKEN": 257 * "x"}, "--token", "16 to 256"),
    "two words": (RUN, {"RINGSIDE_TOKEN": f"{TOKEN} {TOKEN}"}, "--token", "16 to 256"),
    "nothing but a newline": (RUN, {"RINGSIDE_TOKEN": "\n"}, "--token", "16 to 256"),
    "an empty one on the command line": ([*RUN, "--token", ""], {}, "--token", "16 to 256"),
    "a file too": ([*RUN, "--token-file", "{list}"], {"RINGSIDE_TOKEN": TOKEN}, "--token", "--token-file"),
    "in the place of its file's name": (RUN, {"RINGSIDE_TOKEN_FILE": TOKEN}, "--token-file", "begins with /"),
    "check": (["check", *RUN[1:]], {"RINGSIDE_TOKEN": TOKEN[:15]}, "--token", "16 to 256"),
    "collect: in the clear": (["collect", "--token-file", "{list}"], {}, "--token-file", "--tls-cert"),
    "collect: a token for a list": (["collect", "--tls-cert", "{cert}", "--tls-key", "{key}", "--token-file", TOKEN], {}, "--token-file",
                                    "begins with /"),
    "collect: a list that is none": (["collect", "--tls-cert", "{cert}", "--tls-key", "{key}", "--token-file", "{ca}"], {},
                                     "--token-file", "line 1"),
}


@pytest.mark.parametrize("call, env, option, part", WRONG_CALLS.values(), ids=WRONG_CALLS.keys())
def test_a_wrong_call_is_one_line_with_the_option_and_no_token(binary, authority, server, tokens, call, env, option, part):
    files = {"ca": authority.cert, "cert": server.cert, "key": server.key, "list": tokens}
    done = subprocess.run([binary, *(word.format(**files) for word in call)], capture_output=True, text=True, timeout=20,
                          env={**os.environ, **env})
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert f"option={option} " in done.stderr and part in done.stderr and " do=" in done.stderr
    assert TOKEN[:15] not in done.stderr and "xxx" not in done.stderr
