#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# install.sh -- called by `make install`: programs, units, SQL, pipelines and connectors under
# DESTDIR/PREFIX. Units get PREFIX as their ExecStart.
set -eu
: "${PREFIX:?}" "${BIN:?}"
to=${DESTDIR:-}$PREFIX
units=$to/lib/systemd/system
install -d "$to/bin" "$units" "$to/share/doc/sluice"
for program in "$BIN"/sluice*; do
	install -m 755 "$program" "$to/bin/"
done
for unit in cmd/*/*.service; do
	sed "s|@PREFIX@|$PREFIX|g" "$unit" >"$units/$(basename "$unit")"
	chmod 644 "$units/$(basename "$unit")"
done
for folder in pipelines connectors sql/enrich sql/postgres sql/clickhouse; do
	install -d "$to/share/sluice/$folder"
	install -m 644 "$folder"/* "$to/share/sluice/$folder/"
done
install -m 644 README.md LICENSE "$to/share/doc/sluice/"
echo "installed into $to"
