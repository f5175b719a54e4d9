#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# rdkafka.sh DIR -- build librdkafka 2.15.1 (BSD-2-Clause) once, static, into DIR.
# The source is the copy that the npm package @confluentinc/kafka-javascript carries.
set -eu
dir=$1
need() { printf '#include <%s>\n' "$1" | ${CC:-cc} -E -x c - >/dev/null 2>&1 || { echo "missing $1: apt-get install $2" >&2; exit 1; }; }
need openssl/ssl.h libssl-dev
need zlib.h zlib1g-dev
need zstd.h libzstd-dev
need sasl/sasl.h libsasl2-dev
command -v npm >/dev/null || { echo "missing npm: apt-get install npm (librdkafka's source comes from its registry)" >&2; exit 1; }
mkdir -p "$dir"
prefix=$(cd "$dir" && pwd)
work=$(mktemp -d "$prefix/src.XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM
echo "librdkafka 2.15.1: fetching and building once (about 90 s) ..." >&2
cd "$work"
npm pack --silent @confluentinc/kafka-javascript@1.10.1 >/dev/null
tar xzf ./*.tgz
cd package/deps/librdkafka
chmod +x configure mklove/modules/* lds-gen.py 2>/dev/null || true
{ ./configure --prefix="$prefix" --disable-curl --enable-static --disable-lz4-ext && make -C src -j"$(nproc)"; } >"$prefix/build.log" 2>&1 ||
	{ tail -20 "$prefix/build.log" >&2; echo "librdkafka did not build: see $prefix/build.log" >&2; exit 1; }
mkdir -p "$prefix/include/librdkafka" "$prefix/lib"
cp src/rdkafka.h src/rdkafka_mock.h "$prefix/include/librdkafka/"
cp src/librdkafka.a "$prefix/lib/librdkafka.a.tmp"
mv "$prefix/lib/librdkafka.a.tmp" "$prefix/lib/librdkafka.a"
