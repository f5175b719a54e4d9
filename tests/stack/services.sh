#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# services.sh -- how each server is prepared, started and asked whether it is ready; sourced by
# `stack`, which owns pids, ports, logs and waiting. For a service NAME there are three functions:
# prepare_NAME writes its folder and settings (again at every start), argv_NAME fills the array
# argv with the command to run, ready_NAME succeeds once it serves. All bind the loopback only.
# shellcheck disable=SC2034,SC2154 # root, dir, deps, instance and argv are the caller's

java_log=-Dlog4j2.configurationFile=file:$root/tests/stack/log4j2.properties

# --- PostgreSQL: as the user postgres when we are root, which it refuses ---
pg_bin=${SLUICE_PG_BIN:-/usr/lib/postgresql/15/bin}
pg_as=()
if [[ $EUID -eq 0 ]]; then pg_as=(setpriv --reuid=postgres --regid=postgres --init-groups); fi

# pg_folder: data/postgres, or a link to a folder that the user postgres can reach.
pg_folder() {
	local link=$dir/data/postgres real
	if [[ $EUID -ne 0 ]]; then
		mkdir -p "$link"
		chmod 700 "$link"
		return
	fi
	real=$link
	if ! "${pg_as[@]}" test -x "$dir/data"; then
		real=/var/lib/postgresql/sluice-$(echo -n "$dir" | cksum | cut -d' ' -f1)
		"${pg_as[@]}" test -w /var/lib/postgresql ||
			die "the user postgres can reach neither $dir/data nor /var/lib/postgresql: put the tree below folders with o+x"
		[[ -L $link ]] || ln -s "$real" "$link"
	fi
	mkdir -p "$real"
	chown postgres: "$real"
	chmod 700 "$real"
}

# pg_settle: a server that was killed leaves children, which hold its shared memory until they
# have noticed, and a new one refuses to start beside them; wait up to 10 s for them.
pg_settle() {
	local file=$pg_data/postmaster.pid pid shm tries
	[[ -f $file ]] || return 0
	pid=$(sed -n 1p "$file")
	shm=$(sed -n 7p "$file" | awk '{ print $2 }')
	for ((tries = 0; tries < 100; tries++)); do
		[[ -d /proc/$pid ]] ||
			awk -v id="$shm" '$2 == id && $7 > 0 { used = 1 } END { exit !used }' /proc/sysvipc/shm ||
			return 0
		sleep 0.1
	done
}

prepare_postgres() {
	[[ -x $pg_bin/initdb ]] || die "$pg_bin/initdb is not there: run 'tests/stack/stack install' or set SLUICE_PG_BIN"
	pg_folder
	pg_data=$(readlink -f "$dir/data/postgres")
	if [[ -f $pg_data/PG_VERSION ]]; then
		pg_settle
		return
	fi
	(cd / && "${pg_as[@]}" "$pg_bin/initdb" -D "$pg_data" -U postgres -A trust -E UTF8 \
		--locale=C.UTF-8 --no-sync)
}

# A slot that nobody reads may hold 4 GB of WAL, then it is given up rather than the disk.
argv_postgres() {
	local set
	argv=("${pg_as[@]}" "$pg_bin/postgres" -D "$pg_data" -p "$(port postgres)")
	for set in listen_addresses=127.0.0.1 unix_socket_directories= wal_level=logical \
		max_slot_wal_keep_size=4GB max_wal_senders=20 max_replication_slots=20 \
		max_connections=200 timezone=UTC log_timezone=UTC log_line_prefix='%m [%p] %u@%d '; do
		argv+=(-c "$set")
	done
	# The test instance forgets what a crash of the machine (not of a process) would lose.
	if [[ $instance == test ]]; then argv+=(-c fsync=off -c full_page_writes=off); fi
}

ready_postgres() {
	local psql=(psql -qtAX -h 127.0.0.1 -p "$(port postgres)" -U postgres -d postgres)
	pg_isready -q -h 127.0.0.1 -p "$(port postgres)" || return 1
	[[ $("${psql[@]}" -c "SELECT 1 FROM pg_database WHERE datname = 'app'") == 1 ]] ||
		"${psql[@]}" -c 'CREATE DATABASE app TEMPLATE template0'
}

# --- Redis ---
prepare_redis() { mkdir -p "$dir/data/redis"; }
argv_redis() {
	argv=(redis-server --bind 127.0.0.1 --port "$(port redis)" --dir "$dir/data/redis"
		--appendonly yes --save '' --daemonize no)
}
ready_redis() { [[ $(redis-cli -h 127.0.0.1 -p "$(port redis)" ping 2>/dev/null) == PONG ]]; }

# --- Kafka: one node, broker and controller in one ---
# Where the table of ports has `proxied` and `proxy`, clients of the listener PROXIED are told to
# come through the port `proxy`, where a fault test puts its proxy; all others never see it.
prepare_kafka() {
	local conf=$dir/conf/kafka.properties data=$dir/data/kafka at=127.0.0.1 listen='' tell=''
	[[ -d $deps/kafka ]] || die "Kafka is not there: run 'tests/stack/stack install'"
	if has_port proxied; then
		listen=,PROXIED://$at:$(port proxied)
		tell=,PROXIED://$at:$(port proxy)
	fi
	cat >"$conf" <<-END
		process.roles=broker,controller
		node.id=1
		controller.quorum.voters=1@$at:$(port controller)
		controller.listener.names=CONTROLLER
		listeners=PLAINTEXT://$at:$(port kafka)$listen,CONTROLLER://$at:$(port controller)
		advertised.listeners=PLAINTEXT://$at:$(port kafka)$tell
		listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT
		inter.broker.listener.name=PLAINTEXT
		log.dirs=$data
		auto.create.topics.enable=false
		offsets.topic.replication.factor=1
		offsets.topic.num.partitions=4
		transaction.state.log.replication.factor=1
		transaction.state.log.min.isr=1
		transaction.state.log.num.partitions=4
		group.initial.rebalance.delay.ms=0
		log.cleaner.dedupe.buffer.size=33554432
	END
	[[ -f $data/meta.properties ]] && return
	rm -rf "$data"
	java -cp "$deps/kafka/*" "$java_log" kafka.tools.StorageTool format -c "$conf" \
		-t "$(head -c 16 /dev/urandom | base64 | tr '+/' 'ab' | tr -d =)"
}
argv_kafka() {
	argv=(java -Xmx512m -XX:+UseSerialGC "$java_log" -cp "$deps/kafka/*" kafka.Kafka
		"$dir/conf/kafka.properties")
}
ready_kafka() { timeout 5 kcat -L -m 2 -b "127.0.0.1:$(port kafka)" >/dev/null 2>&1; }

# --- Connect, distributed: connectors and offsets live in Kafka and survive a restart ---
# A task that cannot stop because its broker is away is waited for: one that Connect abandons keeps
# Debezium's slot and metrics, and its successor waits a minute for them. It may start before its
# broker serves, which takes longer than the client's minute on a machine that is busy.
prepare_connect() {
	[[ -d $deps/debezium ]] || die "Debezium is not there: run 'tests/stack/stack install'"
	cat >"$dir/conf/connect.properties" <<-END
		bootstrap.servers=127.0.0.1:$(port kafka)
		listeners=http://127.0.0.1:$(port connect)
		group.id=stack-$instance-connect
		config.storage.topic=stack-$instance-connect-configs
		config.storage.replication.factor=1
		offset.storage.topic=stack-$instance-connect-offsets
		offset.storage.replication.factor=1
		offset.storage.partitions=1
		status.storage.topic=stack-$instance-connect-status
		status.storage.replication.factor=1
		status.storage.partitions=1
		key.converter=org.apache.kafka.connect.json.JsonConverter
		key.converter.schemas.enable=false
		value.converter=org.apache.kafka.connect.json.JsonConverter
		value.converter.schemas.enable=false
		topic.creation.enable=false
		offset.flush.interval.ms=1000
		scheduled.rebalance.max.delay.ms=0
		task.shutdown.graceful.timeout.ms=60000
		default.api.timeout.ms=180000
		plugin.path=$deps/debezium
		plugin.discovery=service_load
	END
}
argv_connect() {
	argv=(java -Xmx512m -XX:+UseSerialGC "$java_log" -cp "$deps/kafka/*"
		org.apache.kafka.connect.cli.ConnectDistributed "$dir/conf/connect.properties")
}
ready_connect() {
	[[ $(curl -s -m 2 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$(port connect)/health") == 200 ]]
}

# --- ClickHouse: our small server over libchdb ---
clickhouse_bin=$root/build/gcc/tests/clickhouse-embedded
prepare_clickhouse() {
	mkdir -p "$dir/data/clickhouse"
	make -s -C "$root" stack && return
	# A tree that does not build just now shall not keep the servers down.
	[[ -x $clickhouse_bin ]] || die "the embedded ClickHouse was not built"
	echo "stack: make stack failed; the clickhouse built before is started" >&3
}
argv_clickhouse() {
	argv=("$clickhouse_bin" --path "$dir/data/clickhouse" --port "$(port clickhouse)"
		--lib "$deps/chdb/libchdb.so")
}
ready_clickhouse() {
	[[ $(curl -s -m 2 "http://127.0.0.1:$(port clickhouse)/ping") == Ok.* ]]
}
