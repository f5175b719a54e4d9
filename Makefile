# SPDX-License-Identifier: Apache-2.0
# The only build file. `make help` lists every target.
#   make SAN=address,undefined    sanitizers        make CC=clang    the other compiler
#   make RDK=system|prefix        which librdkafka  make FAIL=1      compiled-in failpoints
# Objects of different settings never mix: OUT names compiler, sanitizers and failpoints.
.DEFAULT_GOAL := all
CC      ?= cc
ifeq ($(origin CC),default)
CC      := gcc
endif
comma   := ,
SET     := $(notdir $(CC))$(if $(SAN),-$(subst $(comma),-,$(SAN)))$(if $(FAIL),-fail)
OUT     := build/$(SET)
BIN     := $(if $(SAN)$(FAIL)$(filter-out gcc,$(notdir $(CC))),$(OUT)/bin,build/bin)
CLANG   := $(findstring clang,$(shell $(CC) --version 2>/dev/null))
PREFIX  ?= /usr/local
include tests/stack/deps.mk

WARN    := -Wall -Wextra -Wpedantic -Werror -Wshadow -Wconversion -Wcast-qual \
	-Wcast-align -Wformat=2 -Wmissing-prototypes -Wstrict-prototypes \
	-Wold-style-definition -Wwrite-strings -Wvla -Wundef -Wswitch-enum \
	-Wnull-dereference -Wdouble-promotion -Wimplicit-fallthrough \
	-Wpointer-arith -Wredundant-decls -Wno-missing-field-initializers
WARN    += $(if $(CLANG),-Wcomma -Wunreachable-code -Wmissing-variable-declarations -Wconditional-uninitialized -Wno-gnu-zero-variadic-macro-arguments,\
	-Wduplicated-cond -Wlogical-op -Wformat-overflow=2 -Wformat-truncation=1 -Wformat-signedness -Wjump-misses-init -Walloc-zero)
HARD    := -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE \
	$(if $(SAN),,-D_FORTIFY_SOURCE=2)
CPPFLAGS := -D_GNU_SOURCE -Ilib $(DEPS_CFLAGS) $(if $(FAIL),-DSLUICE_FAILPOINTS) -MMD -MP
CFLAGS  := -std=c17 -O2 -g -fno-omit-frame-pointer $(WARN) $(HARD) $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all)
LDFLAGS := -pie -Wl,-z,relro,-z,now $(if $(SAN),-fsanitize=$(SAN))
LDLIBS  := $(DEPS_LIBS) -lpthread -ldl -lm

# --- what is built: rooms by wildcard, so a new file needs no line here ---
LIB_C   := $(wildcard lib/*/*.c)
LIB_O   := $(LIB_C:%.c=$(OUT)/%.o)
LIB_A   := $(OUT)/libsluice.a
CMD_DIR := $(filter-out cmd/deploy,$(patsubst %/main.c,%,$(wildcard cmd/*/main.c)))
CMD_BIN := $(foreach d,$(CMD_DIR),$(BIN)/$(if $(filter cmd/sluicectl,$(d)),sluicectl,sluice-$(notdir $(d))))
UNIT_C  := $(wildcard tests/unit/*/test_*.c)
UNIT_BIN := $(UNIT_C:tests/unit/%.c=$(OUT)/tests/unit/%)
FUZZ_C  := $(wildcard tests/fuzz/fuzz_*.c)
TOOL_C  := $(wildcard tests/golden/*.c tests/bench/*.c)
TOOL_BIN := $(TOOL_C:%.c=$(OUT)/%)
CHSERVER_C := $(wildcard tests/stack/clickhouse/*.c)
CHSERVER := $(OUT)/tests/clickhouse-embedded

all: $(CMD_BIN) ## build every program into build/bin/
$(OUT)/%.o: %.c Makefile | deps
	@mkdir -p $(@D)
	@$(if $(V),,echo "  CC    $<" &&) $(CC) $(CPPFLAGS) $(CFLAGS) $(if $(filter tests/%,$<),-Wno-write-strings) -c -o $@ $<
$(OUT)/lib/work/statements.o: $(wildcard sql/*/*.sql)
$(OUT)/lib/router/page_serve.o: cmd/router/openapi.json
$(OUT)/lib/sink/leaderboard_script.o: lib/sink/leaderboard.lua
$(OUT)/lib/router/page.o: $(wildcard cmd/router/page/*)
$(LIB_A): $(LIB_O)
	@rm -f $@
	@$(AR) rcs $@ $^

define CMD_RULE
$(2): $(patsubst %.c,$(OUT)/%.o,$(wildcard $(1)/*.c)) $(LIB_A)
	@mkdir -p $$(@D)
	@echo "  LINK  $$@" && $$(CC) $$(LDFLAGS) -o $$@ $$^ $$(LDLIBS)
endef
$(foreach d,$(CMD_DIR),$(eval $(call CMD_RULE,$(d),$(BIN)/$(if $(filter cmd/sluicectl,$(d)),sluicectl,sluice-$(notdir $(d))))))

# test_X of the embedded ClickHouse links its X.o
$(foreach t,$(filter tests/unit/clickhouse/%,$(UNIT_C)),$(eval $(t:%.c=$(OUT)/%): $(t:tests/unit/clickhouse/test_%.c=$(OUT)/tests/stack/clickhouse/%.o)))
$(UNIT_BIN): $(OUT)/tests/unit/%: $(OUT)/tests/unit/%.o $(LIB_A)
	@$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIB_A) -lcmocka $(LDLIBS)
$(TOOL_BIN): $(OUT)/%: $(OUT)/%.o $(LIB_A)
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
# It counts what our code allocates, and nothing of the libraries that come shared.
$(OUT)/tests/bench/batch: LDFLAGS += -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
$(CHSERVER): $(CHSERVER_C:%.c=$(OUT)/%.o) $(LIB_A)
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# --- tests ---
unit: $(UNIT_BIN) ## run the unit tests (cmocka)
	@for t in $(UNIT_BIN); do $$t > $$t.log 2>&1 && echo "ok   $${t#$(OUT)/tests/}" || { cat $$t.log; echo "FAIL $$t"; exit 1; }; done
golden: $(TOOL_BIN) $(BIN)/sluicectl ## real Debezium events in, normalised changes out
	@sh tests/golden/run.sh $(OUT) $(BIN)
# Each fuzzer runs for FUZZ_TIME seconds from its corpus; what crashes is left beside the binary.
FUZZ_TIME ?= 60
FUZZ_OUT := build/fuzz
FUZZ_BIN := $(FUZZ_C:tests/fuzz/%.c=$(FUZZ_OUT)/%)
FUZZ_CC := clang $(CPPFLAGS) -std=c17 -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all
# Not among tests/stack/packages: only this target needs them.
fuzz-tools:
	@ls "$$(clang -print-runtime-dir 2>/dev/null)"/libclang_rt.fuzzer-*.a >/dev/null 2>&1 || \
		{ echo "make fuzz needs the Debian packages clang and libclang-rt-14-dev: apt-get install clang libclang-rt-14-dev"; exit 1; }
FUZZ_O  := $(patsubst %.c,$(FUZZ_OUT)/%.o,$(wildcard lib/base/*.c lib/wire/*.c lib/sql/*.c lib/link/yaml*.c lib/link/pg_frame.c lib/engine/*.c lib/router/request.c))
$(FUZZ_OUT)/lib/%.o: lib/%.c Makefile | deps fuzz-tools
	@mkdir -p $(@D) && $(FUZZ_CC) -fsanitize=fuzzer-no-link,address,undefined -c -o $@ $<
$(FUZZ_OUT)/fuzz.a: $(FUZZ_O)
	@rm -f $@ && $(AR) rcs $@ $^
$(FUZZ_OUT)/%: tests/fuzz/%.c $(FUZZ_OUT)/fuzz.a
	@echo "  FUZZ  $<" && $(FUZZ_CC) -fsanitize=fuzzer,address,undefined -MF $@.d -o $@ $< $(FUZZ_OUT)/fuzz.a $(DEPS_LIBS) -lpthread -lm
fuzz: $(FUZZ_BIN) ## run each fuzzer for FUZZ_TIME seconds (60); needs the packages clang and libclang-rt-14-dev
	@for f in $(FUZZ_BIN); do t=$${f##*/fuzz_}; mkdir -p $(FUZZ_OUT)/found/$$t; \
		$$f -max_total_time=$(FUZZ_TIME) -timeout=10 -rss_limit_mb=1024 -max_len=8192 -print_final_stats=0 \
			-artifact_prefix=$$f- $(FUZZ_OUT)/found/$$t $$(ls -d tests/fuzz/corpus/$$t 2>/dev/null) > $$f.log 2>&1 \
		&& echo "ok   fuzz/$$t ($$(grep -o 'Done [0-9]* runs.*' $$f.log))" || { tail -40 $$f.log; echo "FAIL fuzz/$$t"; exit 1; }; done
BENCH_ENRICH := $(addprefix $(OUT)/tests/bench/,events copy_loop batch cache decode)
bench: bench-enrich bench-clickhouse bench-leaderboard bench-http bench-router ## run every bench-*: a line a figure, exit 1 on a MISS
bench-enrich: install-deps $(BENCH_ENRICH) $(BIN)/sluice-enrich ## speed, latency and memory of enrich beside a bare copy loop (FIGURES="speed idle ...")
	@PATH="$(CURDIR)/build/deps/venv/bin:$$PATH" SLUICE_BIN=$(BIN) BENCH_TOOLS=$(OUT)/tests/bench tests/bench/enrich.py $(FIGURES)
bench-clickhouse: install-deps $(OUT)/tests/bench/bench_native $(OUT)/tests/bench/enriched $(CHSERVER) $(BIN)/sluice-clickhouse ## the ClickHouse sink and its worker beside a Python client; exit 1 on a MISS (FIGURES="encode insert worker freshness")
	@SLUICE_OUT=$(OUT) SLUICE_BIN=$(BIN) CLICKHOUSE_EMBEDDED=$(CHSERVER) build/deps/venv/bin/python tests/bench/clickhouse.py $(FIGURES)
bench-leaderboard: install-deps $(BIN)/sluice-leaderboard ## rate, cost and delay of the leaderboard beside Python workers; exit 1 on a MISS
	@SLUICE_BIN=$(BIN) build/deps/venv/bin/python tests/bench/leaderboard.py
bench-http: install-deps $(OUT)/tests/bench/http_server $(OUT)/tests/bench/curl_loop $(BIN)/sluice-http ## sluice-http beside libcurl alone, aiohttp and wrk; exit 1 on a MISS
	@BENCH_TOOLS=$(OUT)/tests/bench SLUICE_BIN=$(BIN) build/deps/venv/bin/python tests/bench/http_bench.py
bench-router: install-deps $(OUT)/tests/bench/decide $(OUT)/tests/bench/http_load $(CHSERVER) $(BIN)/sluice-router ## the router beside the engines it asks; exit 1 on a MISS (FIGURES="added point ...")
	@BENCH_TOOLS=$(OUT)/tests/bench SLUICE_BIN=$(BIN) build/deps/venv/bin/python tests/bench/router.py $(FIGURES)
lint: | deps ## floors, foreign headers, banned calls, headers alone, format
	@CC=$(CC) CPPFLAGS="$(CPPFLAGS)" sh tests/lint/run.sh
check: all unit golden lint ## unit, golden and lint: seconds, no servers
test: install-deps ## everything: check, then real servers and independent clients
	@$(MAKE) --no-print-directory check stack
	@tests/run
test-lake: install-deps ## the Trino driver, joins, attacks and the router's SQL on a real Trino 476 (fetches 821 MB once)
	@$(MAKE) --no-print-directory all stack $(OUT)/tests/golden/engine_ask $(OUT)/tests/golden/route
	@tests/stack/lake fetch
	@SLUICE_TEST_SERVICES=postgres tests/run tests/lake
oracle: install-deps $(OUT)/tests/golden/sqleval ## random SQL asked of lib/sql and a real Postgres: make oracle COUNT=1000000 SEED=7
	@SLUICE_ORACLE_PAIRS=$(or $(COUNT),100000) $(if $(SEED),SLUICE_ORACLE_SEED=$(SEED)) SLUICE_SQLEVAL=$(OUT)/tests/golden/sqleval \
		SLUICE_TEST_SERVICES=postgres tests/run tests/integration/test_oracle.py -s
fault: install-deps ## more kills: make fault NAME=enrich_kill N=20 SEED=7; appends to tests/fault/runs.ndjson
	@$(MAKE) --no-print-directory all stack
	@SLUICE_FAULT_N=$(or $(N),20) SLUICE_FAULT_SEED=$(SEED) SLUICE_FAULT_LOG=tests/fault/runs.ndjson tests/run tests/fault $(if $(NAME),-k $(NAME))
demo: install-deps ## start everything on this machine, check it, leave it running
	@$(MAKE) --no-print-directory all stack
	@tests/stack/demo up
demo-down: ## stop what make demo started
	@tests/stack/demo down
install-deps: ## fetch what this machine lacks (apt, Maven, npm, PyPI) and build librdkafka once
	@tests/stack/stack install
	@$(MAKE) --no-print-directory deps
format: ## settle the layout of every C file
	clang-format-14 -i $$(git ls-files '*.c' '*.h')

# --- install ---
stack: $(if $(CHSERVER_C),$(CHSERVER)) ## build the embedded ClickHouse that tests/stack runs
install: all ## install programs, units, SQL and pipelines under DESTDIR/PREFIX
	@DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" BIN="$(BIN)" sh cmd/deploy/install.sh
clean: ## remove what the compiler made (keeps downloaded dependencies)
	rm -rf build/bin $(wildcard build/gcc* build/clang* build/cc*)
help: ## list every target with a sentence
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
.PHONY: install-deps all unit golden lint check test test-lake fault demo demo-down bench bench-enrich bench-clickhouse bench-leaderboard bench-http bench-router fuzz fuzz-tools oracle format install deps clean help stack
.SECONDARY:
-include $(shell find $(OUT) $(FUZZ_OUT) -name '*.d' 2>/dev/null)
