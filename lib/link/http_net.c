/* SPDX-License-Identifier: Apache-2.0 */
/* Networks that may be reached though they are private. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "link/http.h"

static bool
bit_at(const unsigned char *address, unsigned i)
{
	return address[i / 8] >> (7 - i % 8) & 1;
}

static bool
read_net(const char *text, struct http_net *net)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	char address[64];
	int64_t bits;

	if (len >= sizeof address)
		return false;
	memcpy(address, text, len);
	address[len] = 0;
	if (inet_pton(AF_INET, address, net->address) == 1)
		net->bytes = 4;
	else if (inet_pton(AF_INET6, address, net->address) == 1)
		net->bytes = 16;
	else
		return false;
	bits = net->bytes * 8;
	if (slash &&
	    (!slice_i64(slice_str(slash + 1), &bits) || bits < 0 || bits > net->bytes * 8))
		return false;
	net->bits = (unsigned)bits;
	for (unsigned i = net->bits; i < net->bytes * 8; i++)
		if (bit_at(net->address, i))
			return false;
	return true;
}

enum fate
http_net_read(const char *text, struct http_net *ret_net, struct err *err)
{
	struct http_net net = { .bytes = 0 };

	if (!read_net(text, &net))
		return err_set(err, FATE_HALT,
		    "'%.60s' is no network: it takes ADDRESS or ADDRESS/BITS", text);
	*ret_net = net;
	return FATE_DONE;
}

/* An IPv4 address that is dressed as IPv6 (::ffff:10.0.0.1) is the IPv4 address. */
static unsigned
bytes_of(const struct sockaddr *address, unsigned char ret[16])
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (address->sa_family == AF_INET) {
		memcpy(&in, address, sizeof in);
		memcpy(ret, &in.sin_addr, 4);
		return 4;
	}
	if (address->sa_family != AF_INET6)
		return 0;
	memcpy(&in6, address, sizeof in6);
	memcpy(ret, &in6.sin6_addr, 16);
	if (memcmp(ret, mapped, sizeof mapped) != 0)
		return 16;
	memmove(ret, ret + 12, 4);
	return 4;
}

bool
http_net_holds(const struct http_net *net, const struct sockaddr *address)
{
	unsigned char bytes[16];

	if (bytes_of(address, bytes) != net->bytes)
		return false;
	for (unsigned i = 0; i < net->bits; i++)
		if (bit_at(bytes, i) != bit_at(net->address, i))
			return false;
	return true;
}
