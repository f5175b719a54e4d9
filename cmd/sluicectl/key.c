/* SPDX-License-Identifier: Apache-2.0 */
/* sluicectl key new NAME ROLE: a key for the router's callers. */
#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "router/key.h"
#include "tools.h"
#include "work/worker.h"

/* A plain scalar of YAML. */
static bool
plain(const char *text)
{
	return *text && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789_-.@") == strlen(text);
}

int
key_main(int argc, char **argv)
{
	const struct option_table table = { "sluicectl key",
		"Makes a key: the key on standard output, once; its line for the router's "
		"keys_file on standard error.",
		"new NAME ROLE", 3, 3, NULL, 0 };
	char key[KEY_TEXT_LEN + 1], hex[DIGEST_HEX_LEN + 1];
	enum option_verdict verdict;
	struct digest digest;
	struct err err = { 0 };

	if (options_parse(&table, argc, argv, &verdict, &err) != FATE_DONE)
		return tool_fail("key", &err);
	if (verdict == OPTIONS_EXIT_OK)
		return EXIT_ASKED;
	if (strcmp(argv[1], "new") != 0 || !plain(argv[2]) || !plain(argv[3])) {
		err_set(
		    &err, FATE_HALT, "it takes: new NAME ROLE, of letters, digits and _ - . @");
		return tool_fail("key", &err);
	}
	key_new(key, &digest);
	digest_hex(&digest, hex);
	(void)printf("%s\n", key);
	(void)fprintf(stderr,
	    "# below keys: in the router's keys_file; then SIGHUP\n  %s: {role: %s, hash: "
	    "\"%s\"}\n",
	    argv[2], argv[3], hex);
	return EXIT_ASKED;
}
