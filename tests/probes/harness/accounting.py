# SPDX-License-Identifier: Apache-2.0
"""What must be true of every run, whatever it recorded: each record well formed, and the accounts balanced."""

import base64
import re

STREAM_PROBES = {0: ("process", "getaddrinfo"), 1: ("write", "profile")}
STREAM_KINDS = {0: ("fork", "exec", "exit", "getaddrinfo"), 1: ("write", "profile")}
PROBE_KINDS = {"process": ("fork", "exec", "exit"), "getaddrinfo": ("getaddrinfo",), "write": ("write",),
               "profile": ("profile",)}

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")
EPOCH = re.compile(r"[0-9a-f]{16}")

ALWAYS = {"kind": str, "time": str, "agent": str, "epoch": str, "stream": int}
CALLER = {"seq": int, "pid": int, "tid": int, "cpu": int, "comm": str, "cgroup_id": int}
MAYBE = {"ns_pid": int, "ns_tid": int, "container": str, "hierarchy": str, "attributes": dict, "truncated": bool,
         "partial": bool, "fault": bool, "read_late": bool, "late": bool}
# For each kind: keys that are always there, and those that may be.
KEYS = {
    "fork": ({**CALLER, "child": int, "child_start": int}, {}),
    "exec": (
        {**CALLER, "start_time": int, "ppid": int, "filename": str, "argv": list, "argv_bytes": int, "uid": int,
         "gid": int},
        {"snapshot": bool},
    ),
    "exit": (
        {**CALLER, "start_time": int, "duration_ns": int, "cpu_ns": int},
        {"code": int, "signal": int, "rss_peak_bytes": int},
    ),
    "getaddrinfo": (
        {**CALLER, "answers": list, "answers_seen": int},
        {"node": str, "service": str, "hints": dict, "result": int, "result_name": str, "latency_ns": int},
    ),
    "write": ({**CALLER, "syscall": str, "fd": int, "requested": int, "returned": int},
              {"sample": int, "latency_ns": int}),
    "profile": ({**CALLER, "hz": int, "event": str}, {"kernel_stack": list, "user_stack": list}),
    "syscalls": ({"syscall": str, "nr": int, "count": int, "errors": int, "since": str},
                 {"cgroup_id": int, "total_ns": int, "per_cpu": list, "comm": str}),
    "loss": ({"reason": str, "count": int}, {"probe": str, "first": int, "last": int}),
}
ANSWER = {"flags": int, "family": int, "socktype": int, "protocol": int, "addrlen": int}
FRAME_MAYBE = {"symbol": str, "build_id": str, "offset": int, "address": int}
ANSWER_MAYBE = {"address": str, "port": int, "scope_id": int, "canonname": str}


def _is(value, kind):
    return isinstance(value, kind) and (kind is not int or not isinstance(value, bool))


def _check_keys(record, must, may, where):
    for key, kind in must.items():
        assert key in record, f"no key {key!r} in {where}: {record}"
    for key, value in record.items():
        if key.endswith("_b64"):
            texts = value if isinstance(value, list) else [value]
            for text in texts:
                base64.b64decode(text, validate=True)
            continue
        kind = must.get(key) or may.get(key)
        assert kind, f"unknown key {key!r} in {where}: {record}"
        assert _is(value, kind), f"{key} is no {kind.__name__} in {where}: {record}"


def check_record(record):
    kind = record.get("kind")
    assert kind in KEYS, f"unknown kind: {record}"
    must, may = KEYS[kind]
    always = ALWAYS if kind != "loss" else {key: ALWAYS[key] for key in ("kind", "agent", "epoch")}
    _check_keys(record, {**always, **must}, {**ALWAYS, **may, **MAYBE}, kind)
    assert EPOCH.fullmatch(record["epoch"]), record
    assert "time" not in record or TIME.fullmatch(record["time"]), record
    assert record.get("truncated", True) is True, f"truncated is given only when true: {record}"
    if kind == "exit":
        assert ("code" in record) != ("signal" in record), f"code or signal, never both: {record}"
    for frame in record.get("kernel_stack", []) + record.get("user_stack", []):
        _check_keys(frame, {}, FRAME_MAYBE, "a frame")
        assert ("address" in frame) != ("offset" in frame), record
    for answer in record.get("answers", []):
        _check_keys(answer, ANSWER, ANSWER_MAYBE, "an answer")


def _losses(sidecar):
    """The newest figure for each probe and reason, summed by probe; and the ranges of sequence numbers that are
    declared missing, by stream."""
    newest, gaps = {}, {}
    for record in sidecar.kind("loss"):
        if "first" in record:
            gaps.setdefault(record["stream"], []).append((record["first"], record["last"]))
            assert record["count"] == record["last"] - record["first"] + 1, record
        else:
            newest[record["probe"], record["reason"]] = record["count"]
    by_probe = {}
    for (probe, _), count in newest.items():
        by_probe[probe] = by_probe.get(probe, 0) + count
    return by_probe, gaps


def _ranges(numbers):
    """[1,2,3,7] as '1-3 7', for people."""
    out = []
    for number in sorted(numbers):
        if out and out[-1][1] == number - 1:
            out[-1][1] = number
        else:
            out.append([number, number])
    return " ".join(f"{a}-{b}" if a != b else str(a) for a, b in out[:20])


def _check_stream(sidecar, stream, taken, gaps):
    have = {}
    for record in sidecar.kind(*STREAM_KINDS[stream]):
        assert record["stream"] == stream, f"wrong stream: {record}"
        assert record["seq"] not in have, f"twice: {have[record['seq']]} and {record}"
        have[record["seq"]] = record
    missing = set(range(taken)) - set(have)
    for first, last in gaps:
        gap = set(range(first, last + 1))
        assert not gap & set(have), f"declared missing, but there: {_ranges(gap & set(have))}\n{sidecar.state()}"
        missing -= gap
    assert not missing, f"stream {stream}: neither recorded nor declared missing: {_ranges(missing)}\n{sidecar.state()}"
    extra = [seq for seq in have if seq >= taken]
    assert not extra, f"stream {stream}: more than the {taken} taken: {_ranges(extra)}\n{sidecar.state()}"


def check(sidecar):
    """After the end of a run."""
    assert sidecar.process.returncode == 0, f"exit status {sidecar.process.returncode}\n{sidecar.state()}"
    assert sidecar.done, f"no msg=done\n{sidecar.state()}"
    assert not sidecar.garbage, f"stdout that is no JSON: {sidecar.garbage[:3]}"
    for record in sidecar.records:
        check_record(record)
    assert len({record["epoch"] for record in sidecar.records}) <= 1
    done = {key: int(value) for key, value in sidecar.done.items() if value.isdigit()}
    lost_by_probe, gaps = _losses(sidecar)
    for stream, probes in STREAM_PROBES.items():
        probes = [probe for probe in probes if f"{probe}_produced" in done]
        if not probes:
            continue
        stored = 0
        for probe in probes:
            produced, lost = done[f"{probe}_produced"], done[f"{probe}_lost"]
            assert lost == lost_by_probe.get(probe, 0), (
                f"{probe}: lost={lost} at the end, but loss records say {lost_by_probe}\n{sidecar.state()}"
            )
            stored += produced - lost
            if not gaps.get(stream):
                have = len(sidecar.kind(*PROBE_KINDS[probe]))
                assert produced - lost == have, (
                    f"{probe}: produced {produced} - lost {lost} is not the {have} recorded\n{sidecar.state()}"
                )
        taken, acknowledged = done[f"stream{stream}_taken"], done[f"stream{stream}_acknowledged"]
        assert stored == taken, (
            f"stream {stream}: produced - lost = {stored}, taken = {taken}: difference {stored - taken}\n{sidecar.state()}"
        )
        assert taken == acknowledged, f"stream {stream}: taken {taken}, acknowledged {acknowledged}\n{sidecar.state()}"
        _check_stream(sidecar, stream, taken, gaps.get(stream, []))
    return done
