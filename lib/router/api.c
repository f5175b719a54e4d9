/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/clock.h"
#include "router/ops.h"

/* A request on its way to its route. */
struct call {
	struct router *router;
	struct httpd_exchange *x;
	const struct httpd_head *head;
	struct slice rest; /* of the path, behind the route's own */
	struct principal *who;
};

struct route {
	const char *method, *path; /* ending in '*': a prefix */
	bool open;                 /* needs no key */
	bool small;                /* its answer: there is always room */
	void (*handle)(struct call *call);
};

/* --- statements --- */

/* The body as a request; false: refused. */
static bool
read_request(struct call *c, struct router_request *request)
{
	struct err err = { 0 };

	if (router_request_read(httpd_take_body(c->x), request, &err) == FATE_DONE)
		return true;
	router_request_finish(request);
	router_refuse_plain(c->x, 400, "BAD_REQUEST", err.what);
	return false;
}

bool
router_admit(struct router *router, struct httpd_exchange *x, struct principal *who)
{
	struct router_error busy = { .status = 429, .code = "LIMIT" };

	if (router->draining) {
		router_refuse_plain(x, 503, "DRAINING", "the router is being stopped");
		return false;
	}
	busy.message = principal_begin(who, clock_mono_us(), &busy.retry_after_s);
	if (busy.message)
		router_refuse(x, &busy);
	return !busy.message;
}

static void
post_query(struct call *c)
{
	struct router_request request;

	if (!read_request(c, &request))
		return;
	if (router_admit(c->router, c->x, c->who))
		statement_new(c->router, c->x, c->who, &request);
	else
		router_request_finish(&request);
}

/* It is weighed here and now, so it counts as a statement does. */
static void
post_explain(struct call *c)
{
	struct router_request request;

	if (!read_request(c, &request))
		return;
	if (router_admit(c->router, c->x, c->who)) {
		router_explain(c->router, c->x, c->who, &request);
		principal_end(c->who);
	}
	router_request_finish(&request);
}

/* "ID" or "ID/chunk/N". */
static void
get_query(struct call *c)
{
	const char *slash = memchr(c->rest.p, '/', c->rest.len);
	struct slice id =
	    slice_of(c->rest.p, slash ? (size_t)(slash - c->rest.p) : c->rest.len);
	struct slice tail = slice_of(id.p + id.len, c->rest.len - id.len);
	struct statement *s = statement_find(c->router, c->who, id);
	uint64_t chunk = 0;

	if (!s) {
		router_refuse_plain(
		    c->x, 404, "NOT_FOUND", "no statement of yours has that id");
	} else if (tail.len == 0) {
		statement_show(s, c->x);
	} else if (tail.len > 7 && memcmp(tail.p, "/chunk/", 7) == 0 &&
		   slice_u64(slice_of(tail.p + 7, tail.len - 7), &chunk)) {
		statement_show_chunk(s, c->x, (size_t)chunk);
	} else {
		router_refuse_plain(c->x, 404, "NOT_FOUND", "there is nothing of that path");
	}
}

static void
delete_query(struct call *c)
{
	struct statement *s = statement_find(c->router, c->who, c->rest);

	if (!s) {
		router_refuse_plain(
		    c->x, 404, "NOT_FOUND", "no statement of yours has that id");
		return;
	}
	statement_delete(s);
	httpd_answer(c->x, 202, "application/json", SLICE("{\"state\":\"cancelled\"}\n"));
}

/* --- what there is --- */

static void
get_tables(struct call *c)
{
	httpd_begin(c->x, 200, "application/json");
	router_tables(c->router, c->who->role, httpd_out(c->x));
	httpd_end(c->x, NULL);
}

static void
get_engines(struct call *c)
{
	httpd_begin(c->x, 200, "application/json");
	router_engines(c->router, httpd_out(c->x));
	httpd_end(c->x, NULL);
}

/* A whole number of the query string, within bounds. */
static int64_t
number_of(struct call *c, const char *name, int64_t otherwise, int64_t most)
{
	struct slice text = httpd_query_value(c->x, name);
	int64_t n = otherwise;

	if (text.p && (!slice_i64(text, &n) || n < 0 || n > most))
		n = -1;
	return n;
}

static void
get_history(struct call *c)
{
	int64_t limit = number_of(c, "limit", 100, 100000);

	if (limit < 0) {
		router_refuse_plain(c->x, 400, "BAD_REQUEST", "limit is a number");
		return;
	}
	httpd_begin(c->x, 200, "application/json");
	router_history_write(
	    c->router->history, c->router->registry, c->who, (size_t)limit, httpd_out(c->x));
	httpd_end(c->x, NULL);
}

/* A leaderboard is a table: what it says is asked as a statement. */
static void
get_leaderboard(struct call *c)
{
	int64_t top = number_of(c, "top", 10, 10000);

	if (top < 1) {
		router_refuse_plain(
		    c->x, 400, "BAD_REQUEST", "top is a number from 1 to 10000");
		return;
	}
	router_leaderboard(c->router, c->x, c->who, c->rest, top);
}

/* --- how it is --- */

static void
get_metrics(struct call *c)
{
	httpd_begin(c->x, 200, "text/plain; version=0.0.4; charset=utf-8");
	router_metrics(c->router, httpd_out(c->x));
	httpd_end(c->x, NULL);
}

static void
get_live(struct call *c)
{
	httpd_answer(c->x, 200, "text/plain; charset=utf-8", SLICE("ok\n"));
}

static void
get_health(struct call *c)
{
	httpd_answer(c->x, 200, "application/json", SLICE("{\"status\":\"ok\"}\n"));
}

/* Ready when one engine at least can be asked. */
static void
get_ready(struct call *c)
{
	struct router *r = c->router;
	struct engine_state state;

	for (size_t e = 0; e < r->registry->engine_count && !r->draining; e++) {
		if (!r->engines[e])
			continue;
		engine_state(r->engines[e], &state);
		if (!state.down) {
			get_live(c);
			return;
		}
	}
	httpd_answer(c->x, 503, "text/plain; charset=utf-8",
	    r->draining ? SLICE("draining\n") : SLICE("no engine answers\n"));
}

static void
get_openapi(struct call *c)
{
	httpd_answer(c->x, 200, "application/json", router_openapi());
}

static void
get_page(struct call *c)
{
	if (!router_page(c->x))
		router_refuse_plain(c->x, 404, "NOT_FOUND", "there is nothing of that path");
}

/* --- routes --- */

static const struct route routes[] = {
	{ "POST", "/v1/query", false, false, post_query },
	{ "POST", "/query", false, false, post_query },
	{ "POST", "/v1/explain", false, false, post_explain },
	{ "GET", "/v1/query/*", false, false, get_query },
	{ "DELETE", "/v1/query/*", false, true, delete_query },
	{ "GET", "/v1/tables", false, false, get_tables },
	{ "GET", "/v1/engines", false, false, get_engines },
	{ "GET", "/v1/history", false, false, get_history },
	{ "GET", "/v1/leaderboard/*", false, false, get_leaderboard },
	{ "GET", "/metrics", true, false, get_metrics },
	{ "GET", "/livez", true, true, get_live },
	{ "GET", "/readyz", true, true, get_ready },
	{ "GET", "/health", true, true, get_health },
	{ "GET", "/openapi.json", true, false, get_openapi },
	{ "GET", "/*", true, false, get_page },
};

static bool
path_fits(const struct route *route, struct slice path, struct slice *ret_rest)
{
	size_t len = strlen(route->path);
	bool prefix = route->path[len - 1] == '*';

	len -= prefix;
	if (prefix ? path.len <= len - (len == 1) : path.len != len)
		return false;
	if (memcmp(path.p, route->path, len) != 0)
		return false;
	*ret_rest = slice_of(path.p + len, path.len - len);
	return true;
}

static bool
method_fits(const struct route *route, struct slice method)
{
	if (slice_eq(method, slice_str(route->method)))
		return true;
	return slice_eq(method, SLICE("HEAD")) && strcmp(route->method, "GET") == 0;
}

static const struct route *
route_of(struct call *c, bool *ret_path_known)
{
	*ret_path_known = false;
	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
		if (!path_fits(&routes[i], c->head->path, &c->rest))
			continue;
		/* the last one takes every path: also those that are another method's */
		if (method_fits(&routes[i], c->head->method) &&
		    !(*ret_path_known && routes[i].handle == get_page))
			return &routes[i];
		*ret_path_known = *ret_path_known || routes[i].handle != get_page;
	}
	return NULL;
}

/* "http://[::1]:8000" -> "[::1]"; a host is an address, localhost or one that was named:
 * what a foreign page reaches by a name of its own is not for it. */
static bool
host_known(const struct registry_server *server, struct slice host)
{
	const char *colon;
	bool address = host.len > 0;

	if (host.len && host.p[0] == '[')
		return true;
	colon = host.len ? memrchr(host.p, ':', host.len) : NULL;
	if (colon)
		host.len = (size_t)(colon - host.p);
	for (size_t i = 0; i < host.len; i++)
		address =
		    address && ((host.p[i] >= '0' && host.p[i] <= '9') || host.p[i] == '.');
	if (address || slice_eq(host, SLICE("localhost")))
		return true;
	for (size_t i = 0; i < server->host_count; i++) {
		if (slice_eq(host, slice_str(server->hosts[i])))
			return true;
	}
	return false;
}

/* Who shows a key is no page that was led here; without one, a page may have made its own
 * host's name mean this address, and asks as if from here: it says so in Host alone. */
static bool
host_is_ours(const struct call *c)
{
	return !c->who || !c->who->anonymous ||
	       host_known(&c->router->registry->server, httpd_head_value(c->x, "host"));
}

/* Only browsers say Origin: then it must be a page of ours that calls. */
static bool
origin_is_ours(const struct call *c)
{
	struct slice origin = httpd_head_value(c->x, "origin"),
		     host = httpd_head_value(c->x, "host");
	const char *slashes;

	if (!origin.p)
		return true;
	slashes = memmem(origin.p, origin.len, "://", 3);
	if (!slashes)
		return false;
	origin = slice_of(slashes + 3, origin.len - (size_t)(slashes + 3 - origin.p));
	return slice_eq(origin, host) && host_known(&c->router->registry->server, host);
}

static void
refuse_caller(struct httpd_exchange *x, enum caller_verdict verdict)
{
	router_refuse_plain(x, 401, "UNAUTHENTICATED",
	    verdict == CALLER_WITHOUT_KEY ? "a key is needed: Authorization: Bearer slk_..."
					  : "the key is none of those known here");
}

void
router_asked(void *ctx, struct httpd_exchange *x)
{
	static const struct router_error no_room = { .status = 503,
		.code = "BUSY",
		.message = "there is no room for an answer before others have taken theirs",
		.retry_after_s = 1 };
	struct call c = { .router = ctx, .x = x, .head = httpd_head(x) };
	enum caller_verdict verdict = CALLER_KNOWN;
	const struct route *route;
	bool path_known;

	route = route_of(&c, &path_known);
	if (!route) {
		router_refuse_plain(x, path_known ? 405 : 404,
		    path_known ? "METHOD_NOT_ALLOWED" : "NOT_FOUND",
		    path_known ? "not with this method" : "there is nothing of that path");
		return;
	}
	if (!route->small && httpd_loop_full(c.router->httpd)) {
		router_refuse(x, &no_room);
		return;
	}
	if (!origin_is_ours(&c)) {
		router_refuse_plain(x, 403, "ORIGIN", "pages of other hosts are not served");
		return;
	}
	if (!route->open)
		verdict = router_keys_find(
		    c.router->keys, httpd_head_value(x, "authorization"), &c.who);
	if (verdict != CALLER_KNOWN)
		refuse_caller(x, verdict);
	else if (!host_is_ours(&c))
		router_refuse_plain(x, 403, "HOST",
		    "without a key: by address, as localhost or by a name of server.hosts");
	else
		route->handle(&c);
}
