/* SPDX-License-Identifier: Apache-2.0 */
/* curl_loop URL COUNT CONNECTIONS BODY HEADER...: what libcurl's multi interface can do.
 *
 * Posts BODY COUNT times with CONNECTIONS in flight and the headers as they are; handles and
 * connections are used again, nothing is signed and nothing looked at but the status. Prints
 * "seconds cpu_seconds". */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/must.h"
#include "base/slice.h"

static size_t
ignore(char *data, size_t size, size_t count, void *ctx)
{
	(void)data, (void)ctx;
	return size * count;
}

static CURL *
easy_new(const char *url, const char *body, struct curl_slist *headers)
{
	CURL *easy = curl_easy_init();

	must(easy);
	(void)curl_easy_setopt(easy, CURLOPT_URL, url);
	(void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
	(void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
	(void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore);
	(void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 10000L);
	return easy;
}

/* Takes what is done out and puts it in again while requests are left. */
static long
answers(CURLM *multi, long *left)
{
	CURLMsg *message;
	long done = 0, status;
	int more;

	while ((message = curl_multi_info_read(multi, &more))) {
		CURL *easy = message->easy_handle;

		must(message->data.result == CURLE_OK);
		(void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
		must(status == 200);
		(void)curl_multi_remove_handle(multi, easy);
		done++;
		if (*left > 0) {
			(*left)--;
			(void)curl_multi_add_handle(multi, easy);
		} else {
			curl_easy_cleanup(easy);
		}
	}
	return done;
}

int
main(int argc, char **argv)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
	int64_t began_us = clock_mono_us(), count, connections;
	CURLM *multi = curl_multi_init();
	struct rusage used;
	long left, done = 0;
	int running;

	if (argc < 5 || !slice_i64(slice_str(argv[2]), &count) ||
	    !slice_i64(slice_str(argv[3]), &connections)) {
		(void)fprintf(
		    stderr, "usage: curl_loop URL COUNT CONNECTIONS BODY HEADER...\n");
		return 2;
	}
	for (int i = 5; i < argc; i++)
		headers = curl_slist_append(headers, argv[i]);
	must(multi && headers);
	(void)curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)connections);
	left = count - connections;
	for (int64_t i = 0; i < connections; i++)
		(void)curl_multi_add_handle(multi, easy_new(argv[1], argv[4], headers));
	while (done < count) {
		must(curl_multi_perform(multi, &running) == CURLM_OK);
		done += answers(multi, &left);
		if (done < count)
			(void)curl_multi_poll(multi, NULL, 0, 1000, NULL);
	}
	(void)getrusage(RUSAGE_SELF, &used);
	(void)printf("%.6f %.3f\n", (double)(clock_mono_us() - began_us) / 1e6,
	    (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
		(double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
	(void)curl_multi_cleanup(multi);
	curl_slist_free_all(headers);
	return 0;
}
