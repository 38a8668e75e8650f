# SPDX-License-Identifier: Apache-2.0
# Read from top to bottom: settings, the binary, tests, checks, housekeeping. All output goes to build/.

VERSION := 0.1.0
# make ARCH=arm64 cross-builds into build/arm64.
HOST_ARCH := $(shell dpkg --print-architecture)
ARCH ?= $(HOST_ARCH)
CROSS := $(filter-out $(HOST_ARCH),$(ARCH))
B := build$(CROSS:%=/%)
DEPS := $(B)/deps
PREFIX := $(DEPS)/prefix
GEN := $(B)/gen

TRIPLET := $(if $(filter arm64,$(ARCH)),aarch64,x86_64)-linux-gnu
MUSL_CC ?= $(if $(CROSS),$(CURDIR)/$(DEPS)/toolchain/musl-gcc,musl-gcc)
CC_HOST ?= $(if $(CROSS),$(TRIPLET)-gcc,gcc)
STRIP := $(if $(CROSS),$(TRIPLET)-strip,strip)
CLANG ?= clang-19
BPFTOOL ?= $(or $(shell command -v bpftool),/usr/sbin/bpftool)
CLANG_FORMAT ?= clang-format-19
CLANG_TIDY ?= clang-tidy-19
BPF_ARCH := $(if $(filter arm64,$(ARCH)),arm64,x86)
# What is built says of itself when its sources were last changed, not when it was built.
SOURCE_DATE_EPOCH ?= $(or $(shell git log -1 --format=%ct 2>/dev/null),0)
export SOURCE_DATE_EPOCH := $(SOURCE_DATE_EPOCH)
MULTIARCH := $(shell gcc -print-multiarch 2>/dev/null)

ifeq ($(V),1)
  Q :=
  say := @:
else
  Q := @
  say := @printf '  %-7s %s\n'
endif

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: image-index all help setup setup-run setup-test setup-arm64 deps run image rootfs test test-unit test-inject test-probes test-integration test-docker \
	test-arm64 unit-built workloads-built guest-built \
	test-vm test-vm-nobtf test-helm test-k8s test-reproducible test-chart chart-readme check format clean distclean bench bench-kernel

all: $(B)/ringside

help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo '  V=1 shows the commands; RUN_FOR=20s is how long make run lasts; PREBUILT=1 puts the built binary into the image'

# ---------------------------------------------------------------- what must be installed

# command:package
BUILD_TOOLS := gcc:gcc musl-gcc:musl-tools clang-19:clang-19 protoc-c:protobuf-c-compiler m4:m4 bzip2:bzip2 \
	xz:xz-utils awk:mawk git:git file:file
BUILD_PACKAGES := $(foreach t,$(BUILD_TOOLS),$(lastword $(subst :, ,$(t)))) bpftool linux-libc-dev libc6-dev \
	zlib1g-dev perl ca-certificates debian-archive-keyring
TEST_PACKAGES := libcmocka-dev libssl-dev openssl libclang-rt-19-dev python3 python3-venv protobuf-compiler iproute2 util-linux musl \
	bpftrace docker.io docker-compose podman buildah runc mmdebstrap libcap2-bin procps linux-perf clang-format-19 clang-tidy-19 \
	cppcheck qemu-system-x86 busybox-static cpio openssl
ARM64_PACKAGES := gcc-aarch64-linux-gnu libc6-dev-arm64-cross
APT_INSTALL := DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends

missing = $(strip $(foreach t,$(BUILD_TOOLS),$(if $(shell command -v $(firstword $(subst :, ,$(t)))),, \
	$(lastword $(subst :, ,$(t))))) $(if $(wildcard $(BPFTOOL)),,bpftool))

ifneq ($(filter-out help setup setup-run setup-test setup-arm64 test-arm64 clean distclean run test .ci,$(or $(MAKECMDGOALS),all)),)
  ifneq ($(missing),)
    $(error missing packages: $(missing); run 'make setup' (as root, through apt) and try again)
  endif
endif

setup: ## Install what building needs, through apt
	@./container/setup.sh $(BUILD_PACKAGES)

setup-arm64: ## Install what cross-building for arm64 (make ARCH=arm64) needs
	@./container/setup.sh $(BUILD_PACKAGES) $(ARM64_PACKAGES)

setup-test: ## Install what the tests and checks need as well
	@./container/setup.sh $(BUILD_PACKAGES) $(TEST_PACKAGES)

# ---------------------------------------------------------------- dependencies, once

DEPS_BUILT := $(DEPS)/built/all

deps: $(DEPS_BUILT) ## Fetch, verify and build the pinned libraries

$(DEPS_BUILT): container/deps.lock container/deps.sh container/apt.sh container/foreign.sh
	$(say) DEPS $(DEPS)
	$(Q)ARCH=$(ARCH) container/deps.sh fetch $(DEPS)
	$(Q)ARCH=$(ARCH) container/deps.sh build $(DEPS)
	$(Q)touch $@

# ---------------------------------------------------------------- generated sources

PB := $(GEN)/ringside.pb-c
SKELETONS := $(patsubst bpf/%.bpf.c,$(GEN)/%.skel.h,$(sort $(wildcard bpf/*.bpf.c)))
# Those that are compiled once more, for kernels without BTF: see bpf/lib/rung.bpf.h.
RAW := $(patsubst bpf/%.bpf.c,$(GEN)/%.raw.h,$(sort $(shell grep -l '"rung.bpf.h"' bpf/*.bpf.c)))
SIDECAR_JSON := $(GEN)/sidecar_json.h
GENERATED := $(PB).h $(SKELETONS) $(RAW) $(GEN)/syscall_names.h $(GEN)/third_party.h $(SIDECAR_JSON)

$(PB).c: proto/ringside.proto
	$(say) PROTO $<
	@mkdir -p $(GEN)
	$(Q)protoc-c --proto_path=proto --c_out=$(GEN) $<

$(PB).h: $(PB).c ;

# System call names by number, from the kernel's own headers of the machine that builds.
$(GEN)/syscall_names.h: container/syscall_names.sh | $(DEPS_BUILT)
	$(say) GEN $@
	@mkdir -p $(GEN)
	$(Q)container/syscall_names.sh $(PREFIX)/include/asm >$@

# What is linked in: name, version, licence.
$(GEN)/third_party.h: container/third_party.sh container/deps.lock | $(DEPS_BUILT)
	$(say) GEN $@
	@mkdir -p $(GEN)
	$(Q)container/third_party.sh $(DEPS) $(ARCH) >$@.list
	$(Q)sed -n 's/^linked\t\([^\t]*\)\t\([^\t]*\)\t\([^\t]*\)\t.*/{"\1", "\2", "\3"},/p' $@.list >$@

# What `inject` puts into pods: the chart's own file, as an array's elements.
$(SIDECAR_JSON): helm/ringside/files/sidecar.json
	$(say) GEN $@
	@mkdir -p $(GEN)
	$(Q)od -An -v -tx1 $< | sed 's/[0-9a-f][0-9a-f]/0x&,/g' >$@

BPF_FLAGS := -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_$(BPF_ARCH) -Wall -Wextra -Werror -Wno-unused-parameter \
	-Wno-address-of-packed-member -Wno-missing-declarations -iquote bpf -iquote bpf/lib -I$(PREFIX)/include \
	-fdebug-compilation-dir=/ringside -ffile-prefix-map=$(CURDIR)=/ringside

$(B)/bpf/%.bpf.o: bpf/%.bpf.c | $(DEPS_BUILT)
	$(say) BPF $<
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_FLAGS) -MMD -MP -MT $@ -MF $(@:.o=.d) -c $< -o $@.full
	$(Q)$(BPFTOOL) gen object $@ $@.full
	@rm -f $@.full

$(B)/bpf/%.raw.o: bpf/%.bpf.c | $(DEPS_BUILT)
	$(say) BPF '$< (raw)'
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_FLAGS) -DRUNG_RAW_TP -MMD -MP -MT $@ -MF $(@:.o=.d) -c $< -o $@.full
	$(Q)$(BPFTOOL) gen object $@ $@.full
	@rm -f $@.full

.SECONDARY: $(SKELETONS:$(GEN)/%.skel.h=$(B)/bpf/%.bpf.o) $(RAW:$(GEN)/%.raw.h=$(B)/bpf/%.raw.o)

$(GEN)/%.skel.h: $(B)/bpf/%.bpf.o
	$(say) SKEL $@
	@mkdir -p $(GEN)
	$(Q)(echo '/* NOLINTBEGIN */' && $(BPFTOOL) gen skeleton $< name $*_bpf && echo '/* NOLINTEND */') >$@

# The bytes alone: the skeleton is that of the other one, and must be the same but for them.
$(GEN)/%.raw.h: $(B)/bpf/%.raw.o $(GEN)/%.skel.h container/raw_bytes.sh
	$(say) RAW $@
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf | container/raw_bytes.sh $* $(GEN)/$*.skel.h >$@

# ---------------------------------------------------------------- the binary

WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Werror
# Not -I: a header of ours may have the name of a system header.
INCLUDES := -iquote sidecar -iquote bpf -iquote bpf/lib -isystem $(GEN)
ELFUTILS := $(shell awk '$$1 == "elfutils" { sub(/-.*/, "", $$2); print $$2 }' container/deps.lock)
DEFINES := -D_GNU_SOURCE -DRINGSIDE_VERSION='"$(VERSION)"' -DELFUTILS_VERSION='"$(ELFUTILS)"'
CFLAGS := -std=gnu11 -O2 -g -fno-strict-aliasing -fstack-protector-strong -fno-omit-frame-pointer \
	-ffunction-sections -fdata-sections $(WARN) $(DEFINES) $(INCLUDES) -isystem $(PREFIX)/include \
	-ffile-prefix-map=$(CURDIR)=/ringside
LDFLAGS := -static -Wl,--gc-sections -Wl,--build-id=sha1 -Wl,-z,relro,-z,noexecstack -L$(PREFIX)/lib
LDLIBS := -lbpf -lelf -lz -lprotobuf-c -lyyjson -lssl -lcrypto

SOURCES := $(sort $(wildcard sidecar/*.c sidecar/*/*.c))
OBJECTS := $(SOURCES:%.c=$(B)/obj/%.o)

$(B)/ringside: $(B)/ringside.debug
	$(say) STRIP $@
	$(Q)$(STRIP) -o $@ $<

$(B)/ringside.debug: $(OBJECTS) $(B)/obj/ringside.pb-c.o | $(DEPS_BUILT)
	$(say) LINK $@
	$(Q)$(MUSL_CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(B)/obj/%.o: %.c | $(DEPS_BUILT) $(GENERATED)
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(MUSL_CC) $(CFLAGS) -MD -MP -c $< -o $@

$(B)/obj/ringside.pb-c.o: $(PB).c | $(DEPS_BUILT)
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(MUSL_CC) $(CFLAGS) -Wno-conversion -c $< -o $@

# Or the compiler turns its loops into calls of itself.
$(B)/obj/sidecar/base/memmove.o: CFLAGS += -fno-tree-loop-distribute-patterns -fno-builtin

-include $(OBJECTS:.o=.d) $(wildcard $(B)/bpf/*.d)

# ---------------------------------------------------------------- use

run: ## Install what is missing, build, show a demo's live stream for RUN_FOR=20s
	@$(MAKE) --no-print-directory setup
	@$(MAKE) --no-print-directory all
	@container/demo.sh $(B)/ringside $(or $(RUN_FOR),20s)

# ---------------------------------------------------------------- tests

# The emulator of a foreign processor has no room for the sanitizers' shadow.
SAN := $(if $(CROSS),,-fsanitize=address,undefined -fno-sanitize-recover=undefined)
FOREIGN := $(CROSS:%=$(B)/libraries)
UNIT_CFLAGS := -std=gnu11 -O1 -g $(WARN) $(DEFINES) $(INCLUDES) -isystem $(B)/unit/include $(if $(FOREIGN),-isystem $(FOREIGN)/usr/include -isystem $(FOREIGN)/usr/include/$(TRIPLET)) \
	-Itests/unit $(SAN)
# glibc's own memmove is watched by the sanitizers: ours stays out, but for its test.
UNIT_SOURCES := $(filter-out sidecar/base/memmove.c,$(wildcard sidecar/base/*.c)) $(wildcard sidecar/wire/*.c sidecar/spool/*.c sidecar/net/*.c sidecar/inject/*.c sidecar/scope/text_*.c) \
	sidecar/cmd/bench_cases.c sidecar/cmd/bench_plot.c sidecar/cmd/bench_ratio.c \
	sidecar/kernel/kallsyms.c sidecar/probes/profile_kind.c
UNIT_OBJECTS := $(UNIT_SOURCES:%.c=$(B)/unit/%.o) $(B)/unit/ringside.pb-c.o $(B)/unit/protobuf-c.o $(B)/unit/yyjson.o
UNIT_TESTS := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/test_*.c))

ifneq ($(FOREIGN),)
$(FOREIGN)/libcmocka-dev.version: container/foreign.sh container/apt.sh
	$(say) FETCH $(FOREIGN)
	$(Q)container/foreign.sh $(FOREIGN) $(ARCH) libcmocka0 libssl-dev libcmocka-dev

$(UNIT_OBJECTS) $(UNIT_TESTS:$(B)/unit/%=$(B)/unit/tests/unit/%.o): | $(FOREIGN)/libcmocka-dev.version
endif

# protobuf-c and yyjson once more, for glibc with the sanitizers.
$(B)/unit/include/protobuf-c/protobuf-c.h: | $(DEPS_BUILT)
	@mkdir -p $(@D)
	@cp $(DEPS)/work/protobuf-c/protobuf-c/protobuf-c.h $@
	@cp $(DEPS)/work/yyjson/src/yyjson.h $(B)/unit/include/

$(B)/unit/protobuf-c.o: $(B)/unit/include/protobuf-c/protobuf-c.h
	$(Q)$(CC_HOST) -O1 -g $(SAN) -I$(B)/unit/include -c $(DEPS)/work/protobuf-c/protobuf-c/protobuf-c.c -o $@

$(B)/unit/yyjson.o: | $(DEPS_BUILT)
	$(Q)$(CC_HOST) -O1 -g $(SAN) -c $(DEPS)/work/yyjson/src/yyjson.c -o $@

$(B)/unit/ringside.pb-c.o: $(PB).c $(B)/unit/include/protobuf-c/protobuf-c.h
	$(Q)$(CC_HOST) $(UNIT_CFLAGS) -Wno-conversion -c $< -o $@

$(B)/unit/%.o: %.c $(B)/unit/include/protobuf-c/protobuf-c.h | $(PB).h $(SIDECAR_JSON)
	$(say) CC $< '(unit)'
	@mkdir -p $(@D)
	$(Q)$(CC_HOST) $(UNIT_CFLAGS) -MD -MP -c $< -o $@

$(B)/unit/test_%: $(B)/unit/tests/unit/test_%.o $(UNIT_OBJECTS)
	$(say) LINK $@
	$(Q)$(CC_HOST) $(SAN) -o $@ $^ $(FOREIGN:%=-L%/usr/lib/$(TRIPLET)) -lcmocka -lssl -lcrypto -lpthread -lm

-include $(UNIT_OBJECTS:.o=.d) $(wildcard $(B)/unit/tests/unit/*.d)
.SECONDARY: $(UNIT_OBJECTS) $(UNIT_TESTS:$(B)/unit/%=$(B)/unit/tests/unit/%.o)

# Small programs that make the events, for glibc, for musl's dynamic library, and static.
WORKLOADS := $(patsubst tests/workload/%.c,%,$(wildcard tests/workload/*.c))
WORKLOAD_GAI := $(filter gai%,$(WORKLOADS))
WORKLOAD_BINARIES := $(WORKLOADS:%=$(B)/tests/%) $(WORKLOAD_GAI:%=$(B)/tests/musl/%) $(WORKLOAD_GAI:%=$(B)/tests/static/%)

$(B)/tests/%: tests/workload/%.c tests/workload/workload.h
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC_HOST) -std=gnu11 -O1 -g -D_GNU_SOURCE -Wall -Wextra -Werror -o $@ $< -pthread -ldl

$(B)/tests/musl/%: tests/workload/%.c tests/workload/workload.h | $(DEPS_BUILT) $(if $(CROSS),$(B)/guest/busybox-static.version)
	$(say) CC $< '(musl)'
	@mkdir -p $(@D)
	$(Q)$(MUSL_CC) -std=gnu11 -O1 -g -D_GNU_SOURCE -isystem $(PREFIX)/include -o $@ $< -pthread \
		$(CROSS:%=-L$(B)/guest/lib/$(TRIPLET:gnu=musl))

$(B)/tests/static/%: tests/workload/%.c tests/workload/workload.h
	$(say) CC $< '(static)'
	@mkdir -p $(@D)
	$(Q)$(CC_HOST) -std=gnu11 -O1 -g -D_GNU_SOURCE -static -o $@ $< -pthread -ldl 2>/dev/null

VENV := build/venv/.done
$(VENV): tests/requirements.txt
	$(say) VENV $(@D)
	$(Q)python3 -m venv $(@D)
	$(Q)$(@D)/bin/python -m pip install -q --disable-pip-version-check -r $<
	$(Q)touch $@

PYTEST := build/venv/bin/python -m pytest -q -p no:cacheprovider
tests-built: $(B)/ringside $(WORKLOAD_BINARIES) $(VENV)

test: ## Install what is missing, build, run unit, inject, probes, integration, docker, chart tests and one guest (as root)
	@$(MAKE) --no-print-directory setup-test
	@$(MAKE) --no-print-directory all
	@$(MAKE) --no-print-directory tests-built $(UNIT_TESTS) $(B)/tools/helm
	@tests/run.sh

unit-built: $(UNIT_TESTS)

workloads-built: $(WORKLOAD_BINARIES)

# Debian's programs for guests of another architecture.
$(B)/guest/busybox-static.version: container/foreign.sh container/apt.sh
	$(say) FETCH $(@D)
	$(Q)container/foreign.sh $(@D) $(ARCH) musl util-linux libcap-ng0 busybox-static

guest-built: $(if $(CROSS),$(B)/guest/busybox-static.version)

test-arm64: ## For arm64: unit tests under qemu-user, the image index, check and the probes on a Debian kernel (KERNEL=6.1)
	@container/setup.sh $(BUILD_PACKAGES) $(TEST_PACKAGES) $(ARM64_PACKAGES) qemu-user-static qemu-system-arm
	@$(MAKE) --no-print-directory all $(VENV)
	@$(MAKE) --no-print-directory ARCH=arm64 all unit-built workloads-built guest-built
	@ARCH=arm64 RINGSIDE=$(CURDIR)/build/arm64/ringside VM=short KERNEL=$(or $(KERNEL),6.1) tests/run.sh unit index vm

test-unit: $(UNIT_TESTS) ## Only the unit tests
	@tests/run.sh unit

test-inject: tests-built ## Only the tests of `inject`
	@tests/run.sh inject

test-probes: tests-built ## Only the probes' tests, on the real kernel
	@tests/run.sh probes

test-integration: tests-built ## Only the stream's tests
	@tests/run.sh integration

test-docker: tests-built ## Only the container tests, on real engines
	@tests/run.sh docker

test-vm: tests-built $(B)/tests/nmi_share ## Kernels 5.10 to newest, booted under qemu (KERNEL=5.10 or a vmlinuz; GOLDEN=write)
	@tests/run.sh vm

# Its kernel is built from Debian's source, once, and kept in build/cache.
test-vm-nobtf: tests-built $(B)/tests/nmi_share ## A kernel without BTF: built at the first time, then booted (GOLDEN=write)
	@container/setup.sh flex bison bc libelf-dev dwarves xz-utils
	@nice tests/vm/nobtf.sh $(B)/cache/vm/nobtf
	@KERNEL=nobtf tests/run.sh vm

test-reproducible: tests-built ## Two builds from nothing, dependencies and all, give the same binary and image
	@RINGSIDE_SLOW=1 tests/run.sh reproducible

# helm, by the Go that container/go.sh finds. It takes the cluster to be of this Kubernetes where it can't ask one.
HELM_VERSION := v3.19.5
HELM_KUBERNETES := 34
HELM_MODULE := helm.sh/helm/v3
HELM_FLAGS := -X $(HELM_MODULE)/internal/version.version=$(HELM_VERSION) $(foreach p,chartutil lint/rules, \
	-X $(HELM_MODULE)/pkg/$(p).k8sVersionMajor=1 -X $(HELM_MODULE)/pkg/$(p).k8sVersionMinor=$(HELM_KUBERNETES))

$(B)/tools/$(HELM_VERSION)/helm:
	$(say) GO 'helm $(HELM_VERSION), once'
	$(Q)go=$$(container/go.sh $(B)/tools) && cd / && \
		CGO_ENABLED=0 GOBIN=$(CURDIR)/$(@D) $$go install -ldflags '-s -w $(HELM_FLAGS)' $(HELM_MODULE)/cmd/helm@$(HELM_VERSION)

$(B)/tools/helm: $(B)/tools/$(HELM_VERSION)/helm
	$(Q)ln -sf $(HELM_VERSION)/helm $@

test-chart: tests-built $(B)/tools/helm ## Only the Helm chart's tests (RINGSIDE_SLOW=1: against more versions of Kubernetes)
	@tests/run.sh helm

chart-readme: $(VENV) ## Write the chart's README anew, from its values
	$(B)/venv/bin/python helm/readme.py >helm/ringside/README.md

# Kubernetes' servers, the kubelet and kubectl, from Go modules.
$(B)/tools/cluster/built: tests/cluster/build.sh tests/cluster/go.mod tests/cluster/go.sum
	$(say) GO 'Kubernetes and etcd, once: some ten minutes'
	$(Q)tests/cluster/build.sh $(@D)
	$(Q)touch $@

test-helm: tests-built $(B)/tools/helm $(B)/tools/cluster/built ## The chart in a real API server, by real helm
	@container/setup.sh openssl
	@tests/run.sh cluster

test-k8s: tests-built rootfs $(B)/tools/helm $(B)/tools/cluster/built ## The sidecar in pods of a real kubelet with containerd, in a virtual machine (as root)
	@container/setup.sh e2fsprogs openssl
	@tests/run.sh k8s

# What a write pays under our programs, against two yardsticks. Run it with nothing else running.
$(B)/bench/yardstick.bpf.o: tests/bench/yardstick.bpf.c | $(DEPS_BUILT)
	$(say) BPF $<
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_FLAGS) -MMD -MP -MF $(@:.o=.d) -c $< -o $@

$(B)/bench/yardstick.skel.h: $(B)/bench/yardstick.bpf.o
	$(Q)$(BPFTOOL) gen skeleton $< name yardstick_bpf >$@

$(B)/bench/hold: tests/bench/hold.c $(B)/bench/yardstick.skel.h
	$(say) CC $<
	$(Q)$(MUSL_CC) -std=gnu11 -O2 -static -isystem $(B)/bench -isystem $(PREFIX)/include -o $@ $< -L$(PREFIX)/lib $(LDLIBS)

$(B)/bench/writes: tests/bench/writes.c
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC_HOST) -std=gnu11 -O2 -D_GNU_SOURCE -o $@ $<

# A program on the NMI tracepoint, for the guests.
$(B)/vm/nmi_share.bpf.o: tests/vm/guest/nmi_share.bpf.c | $(DEPS_BUILT)
	$(say) BPF $<
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_FLAGS) -MMD -MP -MF $(@:.o=.d) -c $< -o $@.full
	$(Q)$(BPFTOOL) gen object $@ $@.full

$(B)/vm/nmi_share.skel.h: $(B)/vm/nmi_share.bpf.o
	$(Q)$(BPFTOOL) gen skeleton $< name nmi_share_bpf >$@

$(B)/tests/nmi_share: tests/vm/guest/nmi_share.c $(B)/vm/nmi_share.skel.h
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(MUSL_CC) -std=gnu11 -O2 -static -iquote bpf/lib -isystem $(B)/vm -isystem $(PREFIX)/include -o $@ $< -L$(PREFIX)/lib $(LDLIBS)

bench: $(B)/ringside $(B)/bench/hold $(B)/bench/writes ## What a write pays, against two yardsticks; then the pipeline
	python3 tests/bench/hooks.py $(or $(ROUNDS),9)
	$(B)/ringside bench pipeline

$(B)/bench/kernel/bench: tests/bench/kernel_bench.sh | $(DEPS_BUILT)
	$(say) BENCH $@
	@container/setup.sh libelf-dev zlib1g-dev xz-utils
	$(Q)tests/bench/kernel_bench.sh $(B) $(CLANG) $(BPFTOOL)

bench-kernel: $(B)/ringside $(B)/bench/kernel/bench ## Our transports against the kernel's own benchmark of them
	unshare --mount python3 tests/bench/kernel_bench.py $(or $(ROUNDS),9)

# ---------------------------------------------------------------- checks

FORMATTED := $(wildcard sidecar/*.[ch] sidecar/*/*.[ch] bpf/*.[ch] bpf/lib/*.[ch] tests/unit/*.[ch] tests/workload/*.[ch])

check: $(GENERATED) ## Formatter, include rules, clang-tidy, cppcheck
	@tests/check.sh "$(CLANG_FORMAT)" "$(CLANG_TIDY)" -- $(FORMATTED) -- $(CFLAGS)

format: ## Apply the formatter
	$(CLANG_FORMAT) -i $(FORMATTED)

# ---------------------------------------------------------------- image

export VERSION

rootfs: $(B)/ringside ## The image's root file system, in build/rootfs
	$(say) ROOTFS $(B)/rootfs
	$(Q)container/rootfs.sh $(B) $(ARCH)

image: ## Build the container image with docker, podman or buildah (PREBUILT=1: from the binary as built)
	@PREBUILT=$(PREBUILT) container/image.sh

image-index: ## An OCI archive with the images for amd64 and arm64, from cross-builds
	@$(MAKE) --no-print-directory ARCH=amd64 rootfs
	@$(MAKE) --no-print-directory ARCH=arm64 rootfs
	$(Q)REVISION=$(or $(REVISION),$(shell git rev-parse HEAD 2>/dev/null)) container/oci.sh build/ringside-$(VERSION).index.oci.tar \
		$(foreach one,amd64 arm64,$(one)=build$(filter-out /$(HOST_ARCH),/$(one))/rootfs)
	@echo 'image: build/ringside-$(VERSION).index.oci.tar'

# ---------------------------------------------------------------- housekeeping

clean: ## Remove what we built
	rm -rf $(filter-out $(DEPS) $(B)/venv $(B)/cache $(B)/tools,$(wildcard $(B)/*))

distclean: ## Remove the dependencies too
	rm -rf $(B)
