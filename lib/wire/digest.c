/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/must.h"
#include "wire/json_string.h"

struct digest
digest_of(struct slice text)
{
	struct digest digest;
	unsigned len = 0;

	must(EVP_Digest(text.p, text.len, digest.bytes, &len, EVP_sha256(), NULL) == 1 &&
	     len == DIGEST_LEN);
	return digest;
}

bool
digest_eq(const struct digest *a, const struct digest *b)
{
	return CRYPTO_memcmp(a->bytes, b->bytes, DIGEST_LEN) == 0;
}

void
digest_hex(const struct digest *digest, char ret[static DIGEST_HEX_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < DIGEST_LEN; i++) {
		ret[2 * i] = digits[digest->bytes[i] >> 4];
		ret[2 * i + 1] = digits[digest->bytes[i] & 15];
	}
	ret[DIGEST_HEX_LEN] = '\0';
}

bool
digest_parse(struct slice hex, struct digest *ret)
{
	if (hex.len != DIGEST_HEX_LEN)
		return false;
	for (size_t i = 0; i < DIGEST_LEN; i += 2) {
		int four = json_hex4(hex.p + 2 * i, hex.p + hex.len);

		if (four < 0)
			return false;
		ret->bytes[i] = (unsigned char)(four >> 8);
		ret->bytes[i + 1] = (unsigned char)(four & 255);
	}
	return true;
}
