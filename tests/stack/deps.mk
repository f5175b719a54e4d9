# SPDX-License-Identifier: Apache-2.0
# Libraries by pkg-config; a missing one is named with its Debian package.
# librdkafka: the system's when it is >= 2.3, else 2.15.1 built once into build/deps/rdkafka
# (RDK=system insists on Debian's, RDK=prefix on the built one).
PKGS     := libpq:libpq-dev libcurl:libcurl4-openssl-dev hiredis:libhiredis-dev jansson:libjansson-dev \
	yaml-0.1:libyaml-dev libmicrohttpd:libmicrohttpd-dev liblz4:liblz4-dev libzstd:libzstd-dev \
	gmp:libgmp-dev libssl:libssl-dev libcrypto:libssl-dev libsystemd:libsystemd-dev
PKG_NAMES := $(foreach p,$(PKGS),$(firstword $(subst :, ,$(p))))
RDK_DIR  := build/deps/rdkafka
RDK      ?= $(shell pkg-config --exists 'rdkafka >= 2.3' 2>/dev/null && echo system || echo prefix)
ifeq ($(RDK),system)
RDK_CFLAGS := $(shell pkg-config --cflags rdkafka 2>/dev/null)
RDK_LIBS := $(shell pkg-config --libs rdkafka 2>/dev/null)
RDK_LIB  :=
else
RDK_CFLAGS := -isystem $(RDK_DIR)/include
RDK_LIB  := $(RDK_DIR)/lib/librdkafka.a
RDK_LIBS := $(RDK_LIB) -lssl -lcrypto -lz -lzstd -lsasl2 -lrt
endif
DEPS_CFLAGS := $(RDK_CFLAGS) $(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(PKG_NAMES) 2>/dev/null))
DEPS_LIBS := -lpg_query $(RDK_LIBS) $(shell pkg-config --libs $(PKG_NAMES) 2>/dev/null)

deps: $(if $(filter prefix,$(RDK)),$(RDK_DIR)/lib/librdkafka.a) ## check the libraries; build librdkafka when the system's is too old
	@for p in $(PKGS); do pkg-config --exists $${p%%:*} || { echo "missing library $${p%%:*}: apt-get install $${p##*:}" >&2; missing=1; }; done; \
	printf '#include <pg_query.h>\nint main(void){return 0;}\n' | $(CC) -x c - -lpg_query -o /dev/null 2>/dev/null || { echo "missing library libpg_query: apt-get install libpg-query-dev" >&2; missing=1; }; \
	[ -z "$$missing" ]
$(RDK_DIR)/lib/librdkafka.a:
	@sh tests/stack/rdkafka.sh $(RDK_DIR)
