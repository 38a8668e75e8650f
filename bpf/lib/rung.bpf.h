/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What includes this is compiled twice. For kernels that describe their own types its programs are typed tracepoints, which load
 * the kernel's fields without a helper. For the others (RUNG_RAW_TP), which refuse those, kfuncs, iterators and all that takes a
 * typed pointer, they are raw tracepoints, whose arguments are numbers: fields are read by bpf_probe_read_kernel, at the
 * offsets that a file of BTF gives. Maps, constants, variables and names of programs must be the same: user space loads
 * either by one skeleton, and the build compares.
 */
#ifndef RINGSIDE_RUNG_BPF_H
#define RINGSIDE_RUNG_BPF_H

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#ifdef RUNG_RAW_TP
#define SEC_TRACEPOINT(name)	SEC("raw_tp/" name)
#define FIELD_OF(object, field) BPF_CORE_READ(object, field)
#else
#define SEC_TRACEPOINT(name)	SEC("tp_btf/" name)
#define FIELD_OF(object, field) ((object)->field)
#endif

#endif
