# SPDX-License-Identifier: Apache-2.0
"""bench transport: every variant with every wake-up really runs, its equation holds, and what is asked wrongly is refused."""

import csv
import io
import itertools
import json
import os
import subprocess
import xml.etree.ElementTree

import pytest

from harness import logfmt

VARIANTS = ["perf-stack", "perf-heap", "ringbuf-output", "ringbuf"]
WAKEUPS = ["each", "sampled", "threshold"]
KEYS = ("variant wakeup size producers consumer seconds produced received lost corrupt records_per_s wakeups_per_s "
        "copied_bytes_per_record producer_cpu_ns consumer_cpu_ns memory_bytes").split()
SECONDS = 0.2
WRONG_CALL, REFUSED = 2, 1

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def call(binary, *args, wrapper=(), **options):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RINGSIDE_")}
    return subprocess.run([*wrapper, str(binary), "bench", "transport", *map(str, args)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=120, env=environment, check=False, **options)


def rows(binary, *args, **options):
    """The rows of a run that must succeed; of each the equation must hold."""
    done = call(binary, "--seconds", SECONDS, "--format", "json", *args, **options)
    assert done.returncode == 0, done
    found = [json.loads(line) for line in done.stdout.splitlines()]
    for row in found:
        assert list(row) == KEYS
        assert row["produced"] == row["received"] + row["lost"] and row["received"] > 0 and row["corrupt"] == 0, row
        assert row["produced"] % 500 == 0 and row["seconds"] == SECONDS, row
        assert row["producer_cpu_ns"] > 0 and row["consumer_cpu_ns"] > 0 and row["memory_bytes"] > 0, row
    return found


def refused(done, *words):
    assert done.returncode == WRONG_CALL and done.stdout == "", done
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done
    for word in words:
        assert word in lines[0], done


def test_every_variant_and_wakeup_runs_and_nothing_is_unaccounted(binary):
    found = rows(binary, "--variant", ",".join(VARIANTS), "--wakeup", "each", "--wakeup", "sampled,threshold")
    assert {(row["variant"], row["wakeup"]) for row in found} == set(itertools.product(VARIANTS, WAKEUPS))
    assert len(found) == 12
    copied = {row["variant"]: row["copied_bytes_per_record"] for row in found}
    assert copied == {"perf-stack": 24, "perf-heap": 24, "ringbuf-output": 8, "ringbuf": 0}
    memory = {row["variant"]: row["memory_bytes"] for row in found}
    assert memory["ringbuf"] == 2 * 512 * 1024
    assert memory["perf-stack"] == os.sysconf("SC_NPROCESSORS_ONLN") * 129 * os.sysconf("SC_PAGESIZE")


def test_sizes_of_records_from_8_to_4096_bytes(binary):
    found = rows(binary, "--size", "8,64,480,4096", "--variant", "perf-heap,ringbuf-output,ringbuf", "--wakeup",
                 "sampled,threshold")
    assert [row["size"] for row in found] == [size for size in (8, 64, 480, 4096) for _ in range(6)]
    assert {row["copied_bytes_per_record"] for row in found if row["variant"] == "ringbuf-output"} == {8, 64, 480, 4096}


@pytest.mark.parametrize("consumer", ["same", "other"])
def test_many_producers_keep_order_and_account(binary, consumer):
    for row in rows(binary, "--producers", "1,2,5", "--consumer", consumer):
        assert row["consumer"] == consumer, row


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_finds_no_room_is_counted_and_the_equation_holds(binary, variant):
    # The consumer has to wait for the CPU while the producer fills the buffer.
    (row,) = rows(binary, "--variant", variant, "--consumer", "same", "--wakeup", "threshold", "--size", 480)
    assert row["lost"] > 0, row


def test_without_options_for_it_every_variant_is_measured_sampled(binary):
    found = rows(binary)
    assert [row["variant"] for row in found] == VARIANTS
    for row in found:
        assert (row["wakeup"], row["size"], row["producers"], row["consumer"]) == ("sampled", 8, 1, "other"), row


def test_perf_stack_is_left_out_of_all_variants_where_it_does_not_fit(binary):
    done = call(binary, "--seconds", SECONDS, "--size", "8,1024", "--format", "json")
    assert done.returncode == 0, done
    found = [(row["size"], row["variant"]) for row in map(json.loads, done.stdout.splitlines())]
    assert found == [(8, name) for name in VARIANTS] + [(1024, name) for name in VARIANTS[1:]]
    assert "perf-stack" in done.stderr and "512" in done.stderr, done


@pytest.mark.parametrize("args", [["--variant", "perf-stack"], ["--variant", "ringbuf,perf-stack"], ["--pair", "ringbuf,perf-stack"]])
def test_perf_stack_by_name_refuses_what_does_not_fit_the_stack(binary, args):
    refused(call(binary, *args, "--size", 1024), "perf-stack", "512", "1024", "--size")
    assert rows(binary, "--variant", "perf-stack", "--size", 480)


def test_a_pair_prints_one_line_a_metric(binary):
    args = ["--pair", "ringbuf,perf-heap", "--rounds", 3, "--seconds", 0.1]
    done = call(binary, *args, "--format", "json")
    assert done.returncode == 0, done
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["metric"] for row in found] == ["records_per_s", "producer_cpu_ns", "consumer_cpu_ns"]
    for row in found:
        assert list(row) == ["pair", "metric", "median", "min", "max", "rounds"]
        assert row["pair"] == "ringbuf,perf-heap" and row["rounds"] == 3
        assert 0 < row["min"] <= row["median"] <= row["max"], row


def test_csv_has_the_same_columns(binary):
    done = call(binary, "--seconds", SECONDS, "--variant", "ringbuf", "--wakeup", "each,sampled", "--format", "csv")
    found = list(csv.DictReader(io.StringIO(done.stdout)))
    assert done.returncode == 0 and len(found) == 2 and list(found[0]) == KEYS, done
    assert int(found[1]["produced"]) == int(found[1]["received"]) + int(found[1]["lost"])


def test_a_table_has_a_line_a_row(binary):
    done = call(binary, "--seconds", SECONDS, "--variant", "ringbuf,perf-heap")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert done.returncode == 0 and [line[:3] for line in lines[-2:]] == [["ringbuf", "sampled", "8"], ["perf-heap", "sampled", "8"]]


def test_the_plot_is_xml_with_a_bar_a_row(binary, tmp_path):
    path = tmp_path / "out.svg"
    rows(binary, "--variant", "ringbuf,perf-heap", "--size", "8,64", "--plot", path)
    root = xml.etree.ElementTree.parse(path).getroot()
    names = [element.tag.rpartition("}")[2] for element in root.iter()]
    assert names[0] == "svg" and set(names) == {"svg", "title", "rect", "text", "line"}
    # Background, two of the legend, four bars.
    assert names.count("rect") == 7


def test_a_plot_that_cannot_be_written_is_told_before_anything_is_measured(binary, tmp_path):
    done = call(binary, "--plot", tmp_path / "none" / "out.svg")
    assert done.returncode == REFUSED and done.stdout == "" and "out.svg" in done.stderr, done


def hook_of(done):
    (line,) = [logfmt.parse(line) for line in done.stderr.splitlines() if "hook=" in line]
    return line["hook"]


def test_with_and_without_tracefs_the_hook_is_told(binary):
    args = ["--seconds", SECONDS, "--variant", "ringbuf,perf-stack"]
    with_it = call(binary, *args, wrapper=["unshare", "--mount", "sh", "-c",
                                           '[ -d /sys/kernel/tracing/events ] || mount -t tracefs tracefs /sys/kernel/tracing && exec "$@"', "sh"])
    without = call(binary, *args, wrapper=["unshare", "--mount", "sh", "-c",
                                           'while umount /sys/kernel/tracing 2>/dev/null; do :; done; exec "$@"', "sh"])
    assert with_it.returncode == 0 and hook_of(with_it) == "tp/syscalls/sys_enter_getpgid", with_it
    assert without.returncode == 0 and hook_of(without) == "raw_tp/sys_enter", without


def test_on_one_cpu_the_consumer_shares_it_or_is_refused(binary):
    one = ["taskset", "-c", str(min(os.sched_getaffinity(0)))]
    done = call(binary, wrapper=one)
    assert done.returncode == REFUSED and "--consumer same" in done.stderr and len(done.stderr.splitlines()) == 1, done
    assert rows(binary, "--consumer", "same", "--variant", "ringbuf,perf-heap", wrapper=one)


@pytest.mark.parametrize(
    "args",
    [
        ("--variant", "ring"), ("--wakeup", "never"), ("--size", "12"), ("--size", "0"), ("--size", "4104"),
        ("--producers", "0"), ("--consumer", "third"), ("--seconds", "0"), ("--seconds", "soon"), ("--format", "xml"),
        ("--rounds", "0"), ("--pair", "ringbuf"), ("--pair", "ringbuf,ring"), ("--pair", "ringbuf,perf-heap,perf-stack"),
        ("--pair", "ringbuf,perf-heap", "--variant", "ringbuf"), ("--pair", "ringbuf,perf-heap", "--size", "8,16"),
        ("--pair", "ringbuf,perf-heap", "--plot", "/tmp/never.svg"), ("--no-such-option",),
    ],
)
def test_a_wrong_option_is_named_in_one_line(binary, args):
    refused(call(binary, *args), args[0])


def test_without_the_privilege_it_says_which_is_missing(binary):
    done = call(binary, wrapper=["setpriv", "--bounding-set=-all", "--inh-caps=-all"])
    assert done.returncode == REFUSED and done.stdout == "", done
    (line,) = [line for line in done.stderr.splitlines() if "level=error" in line]
    assert "CAP_" in line, done


def test_a_closed_stdout_is_told(binary):
    done = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", str(binary), "bench", "transport"], capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode == REFUSED and "stdout" in done.stderr, done


def test_help_of_both_benchmarks(binary):
    for args, words in ([], ["pipeline", "transport"]), (["pipeline"], ["--seconds"]), (["transport"], ["--variant", "--pair"]):
        done = subprocess.run([str(binary), "bench", *args, "--help"], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0 and done.stderr == "", done
        assert all(word in done.stdout for word in words), done
