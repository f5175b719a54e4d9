/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of CURLcodes (7.88) and the pure helpers of http.h. */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>

#include "link/http.h"

/* may_have_arrived: the receiver can have acted on the request. */
static const struct {
	int code;
	enum fate fate;
	bool may_have_arrived;
} table[] = {
	{ CURLE_OK, FATE_DONE, false },
	{ CURLE_COULDNT_RESOLVE_HOST, FATE_RETRY, false },
	{ CURLE_COULDNT_RESOLVE_PROXY, FATE_RETRY, false },
	{ CURLE_COULDNT_CONNECT, FATE_RETRY, false },
	{ CURLE_SSL_CONNECT_ERROR, FATE_RETRY, false },
	{ CURLE_OPERATION_TIMEDOUT, FATE_RETRY, true },
	{ CURLE_SEND_ERROR, FATE_RETRY, true },
	{ CURLE_RECV_ERROR, FATE_RETRY, true },
	{ CURLE_GOT_NOTHING, FATE_RETRY, true },
	{ CURLE_PARTIAL_FILE, FATE_RETRY, true },
	{ CURLE_HTTP2, FATE_RETRY, true },
	{ CURLE_HTTP2_STREAM, FATE_RETRY, true },
	{ CURLE_SEND_FAIL_REWIND, FATE_RETRY, true },
	{ CURLE_AGAIN, FATE_RETRY, true },
	{ CURLE_BAD_CONTENT_ENCODING, FATE_RETRY, true },
	{ CURLE_WEIRD_SERVER_REPLY, FATE_RETRY, true },
	{ CURLE_OUT_OF_MEMORY, FATE_RETRY, true },
	{ CURLE_NO_CONNECTION_AVAILABLE, FATE_RETRY, false },
	{ CURLE_WRITE_ERROR, FATE_REJECT, true }, /* more than response_max came */
	{ CURLE_FILESIZE_EXCEEDED, FATE_REJECT, true },
	{ CURLE_PEER_FAILED_VERIFICATION, FATE_HALT, false },
	{ CURLE_SSL_CERTPROBLEM, FATE_HALT, false },
	{ CURLE_SSL_CACERT_BADFILE, FATE_HALT, false },
	{ CURLE_SSL_CIPHER, FATE_HALT, false },
	{ CURLE_SSL_ISSUER_ERROR, FATE_HALT, false },
	{ CURLE_UNSUPPORTED_PROTOCOL, FATE_HALT, false },
	{ CURLE_URL_MALFORMAT, FATE_HALT, false },
};

enum fate
http_fate(int curl_code, bool *ret_may_have_arrived)
{
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		if (table[i].code == curl_code) {
			*ret_may_have_arrived = table[i].may_have_arrived;
			return table[i].fate;
		}
	}
	*ret_may_have_arrived = true;
	return FATE_HALT;
}

/* Networks that are not the public internet: RFC 6890 and what clouds put there. */
static bool
private_4(uint32_t a)
{
	static const struct {
		uint32_t net;
		unsigned bits;
	} nets[] = {
		{ 0x00000000, 8 },  /* 0.0.0.0: this host */
		{ 0x0a000000, 8 },  /* 10.0.0.0 */
		{ 0x64400000, 10 }, /* 100.64.0.0: carriers, and a cloud's metadata */
		{ 0x7f000000, 8 },  /* loopback */
		{ 0xa9fe0000, 16 }, /* link-local, with 169.254.169.254 */
		{ 0xac100000, 12 }, /* 172.16.0.0 */
		{ 0xc0000000, 24 }, /* 192.0.0.0: IETF, with another metadata address */
		{ 0xc0a80000, 16 }, /* 192.168.0.0 */
		{ 0xc6120000, 15 }, /* 198.18.0.0: benchmarks */
		{ 0xe0000000, 3 },  /* multicast, reserved, broadcast */
	};
	for (size_t i = 0; i < sizeof nets / sizeof *nets; i++)
		if ((a ^ nets[i].net) >> (32 - nets[i].bits) == 0)
			return true;
	return false;
}

static uint32_t
last_four(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool
private_6(const uint8_t *a)
{
	static const uint8_t zero[12], mapped[12] = { [10] = 0xff, [11] = 0xff },
				       nat64[12] = { 0, 0x64, 0xff, 0x9b };
	if (memcmp(a, mapped, 12) == 0 || memcmp(a, nat64, 12) == 0)
		return private_4(last_four(a + 12));
	if (memcmp(a, zero, 12) == 0)
		return true; /* ::, ::1 and the obsolete compatible form */
	if (a[0] == 0x20 && a[1] == 0x02)
		return private_4(last_four(a + 2));       /* 6to4 */
	return (a[0] & 0xfe) == 0xfc ||                   /* ULA, with fd00:ec2::254 */
	       (a[0] == 0xfe && (a[1] & 0x80) == 0x80) || /* link-local and site-local */
	       a[0] == 0xff;                              /* multicast */
}

bool
http_address_private(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, address, sizeof in);
		return private_4(ntohl(in.sin_addr.s_addr));
	}
	if (address->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;
		memcpy(&in6, address, sizeof in6);
		return private_6(in6.sin6_addr.s6_addr);
	}
	return true;
}

struct slice
http_response_header(const struct http_response *response, const char *name)
{
	const char *p = response->headers.p, *end = p ? p + response->headers.len : p;
	size_t name_len = strlen(name);
	while (p < end) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		const char *stop = newline ? newline : end, *next = newline ? newline + 1 : end;
		if ((size_t)(stop - p) > name_len && p[name_len] == ':' &&
		    strncasecmp(p, name, name_len) == 0) {
			p += name_len + 1;
			while (p < stop && (*p == ' ' || *p == '\t'))
				p++;
			while (stop > p &&
			       (stop[-1] == ' ' || stop[-1] == '\t' || stop[-1] == '\r'))
				stop--;
			return slice_of(p, (size_t)(stop - p));
		}
		p = next;
	}
	return slice_of(NULL, 0);
}

int64_t
http_retry_after_ms(const struct http_response *response, int64_t now_wall_ms)
{
	struct slice value = http_response_header(response, "Retry-After");
	char text[64];
	int64_t seconds;
	if (value.p == NULL || value.len == 0 || value.len >= sizeof text)
		return -1;
	if (slice_i64(value, &seconds))
		return seconds < 0           ? -1
		       : seconds > INT32_MAX ? INT32_MAX * 1000LL
					     : seconds * 1000;
	memcpy(text, value.p, value.len);
	text[value.len] = 0;
	time_t at = curl_getdate(text, NULL);
	if (at < 0)
		return -1;
	int64_t wait_ms = (int64_t)at * 1000 - now_wall_ms;
	return wait_ms > 0 ? wait_ms : 0;
}

void
http_response_finish(struct http_response *response)
{
	buf_finish(&response->body);
	buf_finish(&response->headers);
	*response = (struct http_response){ 0 };
}

void
http_escape(struct buf *out, struct slice text)
{
	static const char hex[] = "0123456789ABCDEF";
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];
		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~') {
			buf_byte(out, (char)c);
			continue;
		}
		buf_byte(out, '%');
		buf_byte(out, hex[c >> 4]);
		buf_byte(out, hex[c & 15]);
	}
}
