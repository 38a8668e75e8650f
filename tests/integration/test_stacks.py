# SPDX-License-Identifier: Apache-2.0
"""Profile records as a reader sees them that has nothing but proto/ and the stock protobuf runtime."""

from stream import pb, read_capture

PROFILE = 6


def test_equal_stacks_are_sent_once_and_a_stock_reader_can_read_them(sidecar, run, cgroup, tmp_path):
    capture = tmp_path / "frames"
    side = sidecar("--capture", capture, "--profile-hz", 1000, "--flush-interval", "1s", probe="profile")
    report = run("hot_chain", 1, "--kernel", gate=True).open_gate(cgroup).finish()
    side.stop()
    batches = [frame.batch for frame in read_capture(capture) if frame.WhichOneof("body") == "batch"]
    assert sum(len(batch.profile.event) for batch in batches) == len(side.kind("profile")) > 100
    largest = max(batches, key=lambda batch: batch.count)
    assert len(set(largest.strings)) == len(largest.strings), "a text is there twice"
    assert len(set(largest.profile.kernel_stack)) < largest.count / 2, "equal stacks have one index"

    record = next(i for i in range(largest.count) if largest.profile.kernel_stack[i])
    assert largest.kind[record] == PROFILE and largest.tgid[record] == report["pid"]
    assert largest.strings[largest.profile.event[record]] in (b"cpu-clock", b"cycles")
    kernel = pb.Stack.FromString(largest.strings[largest.profile.kernel_stack[record]])
    user = pb.Stack.FromString(largest.strings[largest.profile.user_stack[record]])
    assert len(kernel.name) == len(kernel.offset) > 1 and len(user.name) == len(user.offset) > 1

    printed = side.kind("profile", seq=largest.first_seq + record)[0]
    names = [largest.strings[i].decode() for i in kernel.name]
    assert [frame["symbol"] for frame in printed["kernel_stack"]] == names and "vfs_read" in names
    assert [frame["offset"] for frame in printed["kernel_stack"]] == list(kernel.offset)
    assert [frame["build_id"] for frame in printed["user_stack"]] == [largest.strings[i].hex() for i in user.name]
    assert [frame["offset"] for frame in printed["user_stack"]] == list(user.offset)
