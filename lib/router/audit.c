/* SPDX-License-Identifier: Apache-2.0 */
#include "router/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "wire/digest.h"
#include "wire/json.h"

struct router_audit {
	char *file;
	int fd;
	bool torn; /* the last line stands there in part */
	uint64_t failures;
	struct buf line;
};

enum fate
router_audit_open(const char *file, struct router_audit **ret_audit, struct err *err)
{
	struct router_audit *audit;
	int fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);

	if (fd < 0)
		return err_set(err, FATE_HALT, "audit %s: %s", file, strerror(errno));
	audit = calloc(1, sizeof *audit);
	must(audit);
	audit->fd = fd;
	audit->file = strdup(file);
	must(audit->file);
	*ret_audit = audit;
	return FATE_DONE;
}

void
router_audit_close(struct router_audit *audit)
{
	if (!audit)
		return;
	(void)close(audit->fd);
	free(audit->file);
	buf_finish(&audit->line);
	free(audit);
}

static void
list_tables(const struct plan *plan, struct buf *out)
{
	buf_cstr(out, ",\"tables\":[");
	for (size_t i = 0; i < plan->tables_named; i++) {
		if (i)
			buf_byte(out, ',');
		json_quote(out, slice_str(plan->tables[i]->table.name));
	}
	buf_byte(out, ']');
}

static void
list_masked(const struct plan *plan, const char *role, struct buf *out)
{
	const char *between = "";
	struct buf name = { 0 };

	buf_cstr(out, ",\"masked\":[");
	for (size_t i = 0; i < plan->tables_named; i++) {
		const struct registry_table *t = plan->tables[i];
		const struct registry_policy *policy = registry_policy(t, role);

		for (size_t c = 0; policy && policy->masks && c < t->table.column_count; c++) {
			if (!policy->masks[c])
				continue;
			name.len = 0;
			buf_cstr(&name, t->table.name);
			buf_byte(&name, '.');
			buf_cstr(&name, t->table.columns[c].name);
			buf_cstr(out, between);
			json_quote(out, buf_view(&name));
			between = ",";
		}
	}
	buf_byte(out, ']');
	buf_finish(&name);
}

static void
line_write(const struct audit_line *l, struct buf *out)
{
	struct digest digest = digest_of(l->sql);
	char hex[DIGEST_HEX_LEN + 1];

	digest_hex(&digest, hex);
	buf_cstr(out, "{\"at_ms\":");
	buf_i64(out, clock_wall_ms());
	buf_cstr(out, ",\"id\":\"");
	buf_cstr(out, l->id);
	buf_cstr(out, "\",\"principal\":");
	json_quote(out, slice_str(l->who));
	buf_cstr(out, ",\"role\":");
	json_quote(out, slice_str(l->role));
	buf_cstr(out, ",\"sql_sha256\":\"");
	buf_put(out, hex, DIGEST_HEX_LEN);
	buf_byte(out, '"');
	if (l->plan && l->plan->tables) {
		list_tables(l->plan, out);
		list_masked(l->plan, l->role, out);
	}
	if (l->engine) {
		buf_cstr(out, ",\"engine\":");
		json_quote(out, slice_str(l->engine));
	}
	buf_cstr(out, ",\"policy\":\"");
	buf_cstr(out, l->policy);
	buf_cstr(out, "\",\"outcome\":\"");
	buf_cstr(out, l->outcome);
	buf_cstr(out, "\",\"rows\":");
	buf_i64(out, (int64_t)l->rows);
	buf_cstr(out, ",\"elapsed_ms\":");
	buf_millis(out, l->elapsed_us);
	buf_cstr(out, "}\n");
}

/* All of it, or what the disk took. */
static size_t
append(int fd, struct slice bytes)
{
	size_t done = 0;

	while (done < bytes.len) {
		ssize_t n = write(fd, bytes.p + done, bytes.len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

enum fate
router_audit_write(struct router_audit *audit, const struct audit_line *line, struct err *err)
{
	size_t done;

	if (!audit)
		return FATE_DONE;
	audit->line.len = 0;
	if (audit->torn)
		buf_byte(&audit->line, '\n');
	line_write(line, &audit->line);
	errno = 0;
	done = append(audit->fd, buf_view(&audit->line));
	if (done == audit->line.len) {
		audit->torn = false;
		return FATE_DONE;
	}
	if (done)
		audit->torn = true;
	audit->failures++;
	return err_set(err, FATE_RETRY, "audit %s: %s", audit->file,
	    errno ? strerror(errno) : "not all of the line was written");
}

uint64_t
router_audit_failures(const struct router_audit *audit)
{
	return audit ? audit->failures : 0;
}
