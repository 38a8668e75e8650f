# SPDX-License-Identifier: Apache-2.0
"""Handshake, acknowledgement, balance, and coming back."""

import pytest

from stream import Closed, accounting, pb, read_capture, wait_for, writes


def test_welcome_names_version_cap_credit_and_what_is_stored(collector, agent):
    a = agent(collector())
    assert a.welcome.version == 1
    assert a.welcome.frame_cap == 1 << 20
    assert a.welcome.credit >= 1 << 20
    assert a.welcome.heartbeat_ms > 0
    assert not a.welcome.durable
    assert {p.stream: p.next_seq for p in a.welcome.stored} == {0: 0, 1: 0}


def test_a_batch_is_printed_with_the_agents_attributes_and_then_acknowledged(collector, agent):
    c = collector()
    a = agent(c, attributes={b"k8s.pod.name": b"web-1", b"host.name": b"node \"7\""})
    a.send(writes(1, 0, 3))
    a.wait_ack(1, 3)
    records = c.records(3)
    assert [r["seq"] for r in records] == [0, 1, 2]
    for r in records:
        assert r["kind"] == "write" and r["stream"] == 1 and r["pid"] == 4242 and r["comm"] == "agent"
        assert r["agent"] == "agent-1" and r["epoch"] == "1122334455667788"
        assert r["attributes"] == {"k8s.pod.name": "web-1", "host.name": "node \"7\""}
        assert r["requested"] == 100 and r["returned"] == 100


def test_a_gap_is_printed_as_a_loss_and_acknowledged(collector, agent):
    c = collector()
    a = agent(c)
    a.send(writes(1, 0, 2))
    a.send(pb.AgentFrame(gap=pb.Gap(stream=1, first=2, last=11, cause=1)))
    a.send(writes(1, 12, 1))
    a.wait_ack(1, 13)
    loss = [r for r in c.records(4) if r["kind"] == "loss"]
    assert len(loss) == 1
    assert (loss[0]["stream"], loss[0]["first"], loss[0]["last"], loss[0]["count"]) == (1, 2, 11, 10)


def test_many_agents_at_once_keep_apart(collector, agent):
    c = collector()
    agents = [agent(c, b"agent-%d" % i, epoch=i + 1) for i in range(50)]
    for round in range(4):
        for a in agents:
            a.send(writes(1, round * 10, 10, comm=a.agent_id[:15]))
    for a in agents:
        a.wait_ack(1, 40)
    seen = {}
    for r in c.records(50 * 40):
        assert r["comm"] == r["agent"]
        assert r["seq"] == seen.get(r["agent"], 0)
        seen[r["agent"]] = r["seq"] + 1
    assert set(seen.values()) == {40}


def test_after_a_bye_the_equation_holds_and_is_said_so(collector, agent):
    c = collector()
    a = agent(c)
    a.send(writes(0, 0, 5))
    a.send(writes(1, 0, 7))
    a.send(pb.AgentFrame(gap=pb.Gap(stream=1, first=7, last=9, cause=1)))
    a.send(pb.AgentFrame(bye=pb.Bye(last=accounting([5, 10], lost=4))))
    a.expect("bye")
    assert a.acked == [5, 10]
    a.wait_closed()
    samples = c.balance(1)
    assert (samples["holds"], samples["difference"], samples["end"]) == ("yes", "0", "bye")
    assert (samples["produced"], samples["lost"], samples["received"], samples["gaps"]) == ("14", "4", "7", "3")
    assert c.balance(0)["holds"] == "yes"


@pytest.mark.parametrize(
    "account, difference",
    [
        (accounting([0, 12], lost=4), "2"),  # two that never came
        (accounting([0, 10], produced=[0, 17], lost=4), "3"),  # produced, not lost, not taken
        (accounting([0, 8]), "-2"),  # more came than there should be
    ],
)
def test_after_a_bye_that_does_not_add_up_the_difference_is_told(collector, agent, account, difference):
    c = collector()
    a = agent(c)
    a.send(writes(1, 0, 10))
    a.send(pb.AgentFrame(bye=pb.Bye(last=account)))
    a.expect("bye")
    balance = c.balance(1)
    assert (balance["holds"], balance["difference"]) == ("no", difference)


@pytest.mark.parametrize("after", [0, 5])
def test_a_lost_connection_is_judged_by_the_last_accounting_and_called_unclean(collector, agent, after):
    c = collector()
    a = agent(c)
    a.send(writes(1, 0, 10))
    a.send(pb.AgentFrame(heartbeat=accounting([0, 10])))
    if after:
        a.send(writes(1, 10, after))
    a.wait_ack(1, 10 + after)
    a.close()
    balance = c.balance(1)
    assert balance["end"] == "unclean" and int(balance["received"]) == 10 + after and balance["next_seq"] == "10"
    assert balance["holds"] == ("no" if after else "yes") and int(balance["difference"]) == -after
    assert ("why" in balance) == bool(after)


def test_a_lost_connection_without_any_accounting_holds_nothing(collector, agent):
    c = collector()
    a = agent(c)
    a.send(writes(1, 0, 1))
    a.wait_ack(1, 1)
    a.close()
    assert c.balance(1)["holds"] == "no"


def test_a_wrong_first_seq_is_refused(collector, agent):
    c = collector()
    a = agent(c)
    a.send(writes(1, 0, 5))
    a.wait_ack(1, 5)
    a.send(writes(1, 6, 1))
    assert a.expect("error").code == 5
    a.wait_closed()
    assert len(c.records(5)) == 5
    b = agent(c, b"agent-2")
    b.send(writes(1, 3, 1))
    assert b.expect("error").code == 5


def test_a_reconnecting_agent_is_told_what_is_stored_and_nothing_is_printed_twice(collector, agent):
    c = collector()
    a = agent(c)
    a.send(writes(1, 0, 5))
    a.wait_ack(1, 5)
    a.close()
    b = agent(c)
    assert {p.stream: p.next_seq for p in b.welcome.stored} == {0: 0, 1: 5}
    b.send(writes(1, 5, 5))
    b.send(pb.AgentFrame(bye=pb.Bye(last=accounting([0, 10]))))
    b.expect("bye")
    assert [r["seq"] for r in c.records(10)] == list(range(10))
    c.wait_log("msg=balance", "stream=1", "end=bye", "holds=yes", "received=10")


def test_an_agent_that_comes_back_before_its_old_end_was_seen_is_welcome(collector, agent):
    c = collector()
    for _ in range(20):
        a = agent(c)
        a.close()


def test_a_new_epoch_begins_at_its_own_position(collector, agent):
    c = collector()
    a = agent(c, epoch=1)
    a.send(writes(1, 0, 5))
    a.wait_ack(1, 5)
    a.close()
    b = agent(c, epoch=2, next_seq=(0, 100))
    assert {p.stream: p.next_seq for p in b.welcome.stored}[1] == 100
    b.send(writes(1, 100, 1))
    b.wait_ack(1, 101)
    b.send(pb.AgentFrame(bye=pb.Bye(last=accounting([0, 101]))))
    b.expect("bye")
    balance = c.wait_log("msg=balance", "stream=1", "end=bye")
    assert "holds=yes" in balance and "elsewhere=100" in balance


def test_a_second_live_claim_to_one_id_is_refused_and_harms_nobody(collector, agent):
    c = collector()
    a = agent(c, epoch=1)
    for epoch in (1, 2):
        b = agent(c, epoch=epoch, hello=False)
        b.send(b.hello())
        assert b.expect("error").code == 2
        b.wait_closed()
    a.send(writes(1, 0, 1))
    a.wait_ack(1, 1)


def test_credit_grows_with_acknowledgements(collector, agent):
    a = agent(collector())
    first = a.welcome.credit
    a.send(writes(1, 0, 1))
    assert a.expect("ack").credit > first


def test_a_capture_is_read_by_the_stock_reader_and_holds_no_token(collector, agent, tmp_path):
    path = tmp_path / "capture"
    c = collector("--capture", str(path))
    a = agent(c, b"agent-a", token=b"a-very-secret-token")
    b = agent(c, b"agent-b")
    a.send(writes(1, 0, 2))
    a.wait_ack(1, 2)
    b.send(writes(1, 0, 3))
    b.wait_ack(1, 3)
    a.send(writes(1, 2, 4))
    a.wait_ack(1, 6)
    assert c.end() == 0
    assert b"a-very-secret-token" not in path.read_bytes()
    frames = read_capture(path)
    assert [f.WhichOneof("body") for f in frames] == ["hello", "batch"] * 3
    assert [f.hello.agent_id for f in frames[::2]] == [b"agent-a", b"agent-b", b"agent-a"]
    assert [f.batch.count for f in frames[1::2]] == [2, 3, 4]


def test_unknown_frames_and_fields_are_ignored(collector, agent):
    c = collector()
    a = agent(c)
    a.send_bytes(b"\x04\xfa\x01\x01\x00")  # field 31, one byte: a frame of a later version
    a.send(writes(1, 0, 1))
    a.wait_ack(1, 1)


def test_sigterm_says_goodbye_and_ends_with_zero(collector, agent):
    c = collector()
    a = agent(c)
    a.send(writes(1, 0, 3))
    a.wait_ack(1, 3)
    c.process.terminate()
    a.expect("bye")
    a.close()
    assert c.process.wait(20) == 0
    c.wait_log("msg=done", "records=3")
    with pytest.raises((Closed, ConnectionRefusedError)):
        agent(c)


def test_sigint_ends_with_zero_though_an_agent_stays(collector, agent):
    import signal

    c = collector()
    agent(c)
    assert c.end(signal.SIGINT) == 0


def test_counters_and_losses_are_printed(collector, agent):
    c = collector()
    a = agent(c)
    counters = pb.Counters(time=5 * 10**9, realtime_offset=10**18, strings=[b"", b"read"])
    counters.cgroups.id.append(7)
    counters.syscalls.cgroup.append(0)
    counters.syscalls.syscall.append(1)
    counters.syscalls.count.append(12)
    counters.syscalls.errors.append(2)
    counters.syscalls.since.append(10**9)
    a.send(pb.AgentFrame(counters=counters))
    a.send(pb.AgentFrame(heartbeat=accounting([0, 0], lost=9)))
    wait_for(lambda: len(c.lines) >= 2, "two records")
    row, loss = c.records(2)
    assert (row["kind"], row["syscall"], row["count"], row["errors"]) == ("syscalls", "read", 12, 2)
    assert (loss["kind"], loss["probe"], loss["reason"], loss["count"]) == ("loss", "write", "ring_full", 9)
