# SPDX-License-Identifier: Apache-2.0
# One Makefile, no recursion into folders: each folder is a wildcard, objects go to build/<variant>/.
# `make help` lists the targets; V=release (the default), debug, asan, tsan or coverage chooses the
# variant.

SHELL := /bin/bash
V ?= release
B := build/$(V)
PREFIX ?= /usr/local
CLANG ?= clang-14
FORMAT ?= clang-format-14
SECONDS := 60
SEED := 1
OPS := 200
THREADS := 1
RUNS := 20
JOBS ?= $(shell nproc)
COMMIT := $(shell git describe --always --dirty --exclude '*' 2>/dev/null || echo unknown)
export CI CLANG COVERAGE_MIN DEPS FORMAT JOBS

INCLUDES := -D_GNU_SOURCE -I.
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wvla
C_WARNINGS := $(WARNINGS) -Wstrict-prototypes -Wmissing-prototypes
LIBS := -lhwloc -lnuma -lurcu-memb -ljansson -lsqlite3 -lz -lm -lpthread

# The variants. LOCK_CHECK is the run-time lock-order checker, MM_TEST_POINTS the places at which
# tests can hold a thread inside the engine; neither exists in release.
TESTING := -O1 -fno-omit-frame-pointer -DLOCK_CHECK=1 -DMM_TEST_POINTS=1
# Small structs come in registers; joining their stores for one vector load stalls on each fault.
FLAGS_release := -O2 -fno-plt -fno-tree-slp-vectorize
FLAGS_debug := $(TESTING)
FLAGS_asan := $(TESTING) -fsanitize=address,undefined -fno-sanitize-recover=undefined
FLAGS_tsan := $(TESTING) -fsanitize=thread
FLAGS_coverage := $(TESTING) --coverage -fprofile-update=atomic
# Without lock checking: its search among 512 held locks is half of a run.
FLAGS_fuzz := $(filter-out -DLOCK_CHECK=1,$(TESTING)) -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined
# The engine for the sharing audit: as compiled for ThreadSanitizer, but without its library, and
# with as many CPU identities as the audit wants.
FLAGS_audit := -O1 -fno-omit-frame-pointer -fno-pie -DMM_PERCPU_TEST=8u
AUDIT_ENGINE := -fsanitize=thread -fno-builtin-memcpy -fno-builtin-memmove -fno-builtin-memset
ifeq ($(FLAGS_$(V)),)
$(error no variant '$(V)': release, debug, asan, tsan or coverage)
endif
FLAGS := -g -pthread $(FLAGS_$(V)) $(if $(filter true 1,$(CI)),-Werror)
COMPILE.c = $(CC) $(INCLUDES) $(DEFINES) $(CPPFLAGS) -std=c11 $(C_WARNINGS) $(FLAGS) $(CFLAGS)
COMPILE.cc = $(CXX) $(INCLUDES) $(CPPFLAGS) -std=c++17 $(WARNINGS) $(FLAGS) $(CXXFLAGS)

engine := $(wildcard engine/*.c)
program := harness/main.c
micro := $(wildcard harness/micro_*.c harness/*.cc)
harness := $(filter-out $(program) $(micro),$(wildcard harness/*.c))
workloads := $(wildcard workloads/*.c)
translators := $(wildcard translators/*.c)
unit := $(wildcard tests/unit/*_test.c)
fuzz := $(wildcard tests/fuzz/*_fuzz.c)
count := $(wildcard tests/count/*.c)
oracle := $(wildcard tests/oracle/*.c)
audit := $(wildcard tests/audit/*.c)
gate := $(wildcard tests/gate/*.c)
# Plug-ins that are badly behaved, for tests/cli.
plugins := $(wildcard tests/plugins/*.c)
plugin_libraries := $(plugins:%.c=$(B)/%.so)
# Those that are wrong on purpose: each a difference to one file of a good translator.
broken := $(wildcard translators/broken/*.patch)
broken_libraries := $(broken:%.patch=$(B)/%.so)
cli := $(shell find tests/cli -maxdepth 1 -type f -perm -u+x | sort)
sources := $(engine) $(program) $(micro) $(harness) $(workloads) $(translators) $(unit) $(fuzz) $(count) $(oracle) $(audit) $(gate)
objects = $(patsubst %,$(B)/%.o,$(basename $(1)))
archives := $(B)/libworkloads.a $(B)/libtranslators.a $(B)/libharness.a $(B)/libengine.a
LINK = -Wl,--start-group $(archives) -Wl,--end-group
unit_programs := $(unit:%.c=$(B)/%)
fuzz_programs := $(fuzz:%.c=$(B)/%)
oracle_mains := tests/oracle/oracle.c tests/oracle/replay.c
oracle_programs := $(oracle_mains:%.c=$(B)/%)

all: $(if $(filter release,$(V)),faultline,$(B)/faultline) $(plugin_libraries) $(if $(filter release,$(V)),$(broken_libraries)) ## build ./faultline (other V=: build/<V>/faultline)

run: ## install what running needs, build, measure the quick suite, print the report's path (ARGS=)
	@ci/deps.sh run
	@$(MAKE) --no-print-directory -j$(JOBS) V=release all
	./faultline run $(ARGS)

check: ## install what testing needs, build, run every test; the last line says how many passed
	@ci/deps.sh run check
	+@MAKE="$(MAKE)" ci/check.sh

deps: ## name and install what is missing to run, test and develop (DEPS=no: only say how)
	@ci/deps.sh run check extra

test: $(unit_programs) ## the unit tests of one variant (V=, TESTS=name...)
	@tests/run.sh --label $(V) $(if $(TESTS),$(TESTS:%=$(B)/tests/unit/%_test),$(unit_programs))

cli: all ## the tests of the program's outside
	@tests/run.sh --label cli $(cli)

asan tsan debug: ## the unit tests under sanitizers, or with lock checking alone
	@$(MAKE) --no-print-directory V=$@ test

coverage: ## which lines of engine/ the tests reach; fails below COVERAGE_MIN=92 percent
	+@MAKE="$(MAKE)" ci/coverage.sh

order: ## the lock order: sources pass Clang's analysis, tests/order do not, each order is needed
	@ci/order.sh

lint: ## what a reader would object to: layout, lengths, lists, headers, static analysis
	@ci/lint.sh

format: ## lay the C sources out by .clang-format
	@$(FORMAT) -i $$(git ls-files -co --exclude-standard '*.[ch]' '*.cc')

fuzz: ## run each fuzzer for SECONDS=60
	@$(MAKE) --no-print-directory V=fuzz CC=$(CLANG) SECONDS=$(SECONDS) fuzz-run

# As many at once as there are CPUs; each waits for nobody.
fuzz-run: $(fuzz_programs)
	@printf '%s\n' $(patsubst %_fuzz,%,$(notdir $(fuzz_programs))) | xargs -P $(JOBS) -I NAME sh -c \
		'mkdir -p build/corpus/NAME tests/fuzz/corpus/NAME; echo "NAME: $(SECONDS) s"; \
		$(B)/tests/fuzz/NAME_fuzz -max_total_time=$(SECONDS) -timeout=10 -rss_limit_mb=2048 -verbosity=0 \
			-artifact_prefix=build/corpus/NAME- build/corpus/NAME tests/fuzz/corpus/NAME'

broken: $(broken_libraries) ## the translators that are wrong on purpose

conformance-proof: all ## RUNS=20 checks of every translator, good and wrong, and the table
	@tests/conformance/proof.sh $(RUNS)

gate-proof: all $(B)/gate-replay ## the error rates of faultline gate, an hour of a quiet machine; ends with a table
	@ci/gate_proof.sh

oracle: $(oracle_programs) ## random operations, Linux as the judge (SEED=1 OPS=200 SECONDS=60 THREADS=1)
	$(B)/tests/oracle/replay tests/oracle/cases/*.ops
	$(B)/tests/oracle/oracle --seed $(SEED) --ops $(OPS) --seconds $(SECONDS) --threads $(THREADS)

audit: ## which independent operations share cache lines; against tests/audit/expected.txt (ACCEPT=1)
	@$(MAKE) --no-print-directory -j$(JOBS) V=audit audit-run

audit-run: $(B)/audit
	@$(B)/audit > $(B)/raw.json
	@tests/audit/report.py $(if $(ACCEPT),--accept) $(B)/audit $(B)/raw.json tests/audit/expected.txt \
		$(B)/table
	@echo "table: $(B)/table.txt; all of it: $(B)/table.json"

micro: $(B)/micro ## the micro suite of the engine's primitives on Google Benchmark (ARGS=its flags)
	$(B)/micro $(ARGS)

count: ## instructions per operation against tests/count/baseline.txt (ACCEPT=yes: the new one)
	+@MAKE="$(MAKE)" ci/count.sh $(if $(ACCEPT),--accept)

count-flags:
	@echo "-std=c11 $(FLAGS)"

numa: ## what wants two NUMA nodes, in an emulated guest that has them (skipped without QEMU)
	+@MAKE="$(MAKE)" ci/numa.sh

peers: ## build the Go original as a plug-in, build/peers/gvisor.so (skipped without its packages)
	@ci/peers.sh

programs: all $(unit_programs) $(oracle_programs)

install: all ## install below PREFIX=/usr/local (DESTDIR= honoured)
	install -D -m 755 faultline $(DESTDIR)$(PREFIX)/bin/faultline
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/include/translators translators/translator.h
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	./faultline --completion > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/faultline
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/faultline README.md LICENSE NOTICE

clean: ## remove what make built; results stay
	rm -rf build faultline

help: ## this list
	@sed -n 's/^\([a-z][a-z ]*\):[^#=]*## \(.*\)/\1\t\2/p' Makefile | expand -t 18

# ---- rules ----

faultline: $(B)/faultline
	@cp -f $< $@.new && mv -f $@.new $@

$(B)/faultline: $(call objects,$(program)) $(archives)
	$(CC) $(FLAGS) $(LDFLAGS) $< $(LINK) $(LIBS) -o $@

$(B)/libengine.a: $(call objects,$(engine))
$(B)/libharness.a: $(call objects,$(harness))
$(B)/libworkloads.a: $(call objects,$(workloads))
$(B)/libtranslators.a: $(call objects,$(translators))
$(B)/lib%.a: Makefile
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcs $@ $(filter %.o,$^)

$(B)/tests/unit/%_test: $(B)/tests/unit/%_test.o $(archives)
	$(CC) $(FLAGS) $(LDFLAGS) $< $(LINK) -lcmocka $(LIBS) -o $@

$(B)/tests/fuzz/%_fuzz: $(B)/tests/fuzz/%_fuzz.o $(archives)
	$(CC) $(FLAGS) -fsanitize=fuzzer $(LDFLAGS) $< $(LINK) $(LIBS) -o $@

# Not position-independent: Linux lets a heap be moved to where the oracle wants it only above it.
$(oracle_programs): %: %.o $(call objects,$(filter-out $(oracle_mains),$(oracle))) $(archives)
	$(CC) $(FLAGS) -no-pie $(LDFLAGS) $(filter %.o,$^) $(LINK) $(LIBS) -o $@

ifeq ($(V),audit)
# Operations as well: they inline what the engine's headers define.
$(call objects,$(engine) tests/audit/operations.c): CFLAGS += $(AUDIT_ENGINE)
$(call objects,$(audit)): CFLAGS += -fno-builtin
endif
$(B)/audit: $(call objects,$(audit)) $(B)/libengine.a
	$(CC) $(FLAGS) -no-pie $(LDFLAGS) $(filter %.o,$^) $(B)/libengine.a \
		-Wl,--wrap=memcpy,--wrap=memmove,--wrap=memset $(LIBS) -o $@

$(B)/count: $(call objects,$(count)) $(archives)
	$(CC) $(FLAGS) $(LDFLAGS) $(filter %.o,$^) $(LINK) $(LIBS) -o $@

# The same with a few instructions too many in one operation, which ci/count.sh has to find.
$(B)/count-planted: $(count) $(archives)
	$(COMPILE.c) -DCOUNT_PLANT $(count) $(LDFLAGS) $(LINK) $(LIBS) -o $@

# The same with real mappings, and the host's calls counted instead of instructions.
HOST_CALLS := fallocate ftruncate madvise mmap mprotect munmap syscall
$(B)/count-host: $(count) $(archives)
	$(COMPILE.c) -DCOUNT_HOST $(count) $(HOST_CALLS:%=-Wl,--wrap=%) $(LDFLAGS) $(LINK) $(LIBS) -o $@

$(B)/gate-replay: $(call objects,$(gate)) $(archives)
	$(CC) $(FLAGS) $(LDFLAGS) $(filter %.o,$^) $(LINK) $(LIBS) -o $@

$(B)/micro: $(call objects,$(micro)) $(archives)
	$(CXX) $(FLAGS) $(LDFLAGS) $(filter %.o,$^) $(LINK) -lbenchmark $(LIBS) -o $@

$(plugin_libraries): $(B)/%.so: %.c Makefile
	@mkdir -p $(@D)
	$(COMPILE.c) -fPIC -shared -MMD -MP -MF $(B)/$*.d $< $(LDFLAGS) -o $@

# The changed file stands in for its original; what it is linked with is compiled once for all.
pic = $(patsubst %.c,$(B)/pic/%.o,$(1))
biglock := $(filter translators/biglock%,$(translators))
PLUGIN := -Dtranslator_biglock=faultline_translator -Dtranslator_memmap=faultline_translator -fPIC
$(broken_libraries): $(B)/%.so: %.patch $(call pic,$(biglock) translators/memmap.c $(engine))
	@rm -rf $(@:.so=) && mkdir -p $(@:.so=)
	@file=$$(sed -n 's|^+++ b/||p' $<); good=$(B)/pic/$${file%.c}.o; \
	case $$file in */biglock*) rest="$(call pic,$(biglock))";; *) rest="$(call pic,translators/memmap.c $(engine))";; esac; \
	patch -s -o $(@:.so=)/$${file##*/} $$file $< && \
	$(COMPILE.c) $(PLUGIN) -c $(@:.so=)/$${file##*/} -o $(@:.so=)/changed.o && \
	$(CC) $(FLAGS) $(LDFLAGS) -shared -Wl,-Bsymbolic $(@:.so=)/changed.o $${rest/$$good/} $(LIBS) -o $@

$(B)/pic/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(COMPILE.c) $(PLUGIN) -MMD -MP -c $< -o $@

$(B)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(COMPILE.c) -MMD -MP -c $< -o $@

$(B)/%.o: %.cc Makefile
	@mkdir -p $(@D)
	$(COMPILE.cc) -MMD -MP -c $< -o $@

# The files that say which version this is, and only those, are rebuilt when the commit changes.
versioned := $(call objects,$(shell grep -ls FAULTLINE_COMMIT harness/*.c))
$(versioned): DEFINES := -DFAULTLINE_COMMIT='"$(COMMIT)"' -DFAULTLINE_VARIANT='"$(V)"'
$(versioned): $(B)/version
$(B)/version: FORCE
	@mkdir -p $(@D)
	@echo "$(COMMIT)" | cmp -s - $@ || echo "$(COMMIT)" > $@

# The program carries the files of plots/ (.incbin), which -MMD cannot see.
$(call objects,harness/plot_asset.c): $(wildcard plots/*.gp plots/report.*)
$(call objects,harness/cmd_new.c): translators/translator.h translators/skeleton/skeleton.c

FORCE:
.PHONY: all run check deps test cli asan tsan debug coverage order lint format fuzz fuzz-run oracle \
	audit audit-run count count-flags gate-proof micro numa peers programs broken conformance-proof install clean help FORCE
.SECONDARY:
.DELETE_ON_ERROR:
-include $(patsubst %.o,%.d,$(call objects,$(sources) $(plugins)) $(call pic,$(biglock) translators/memmap.c $(engine)))
