/* SPDX-License-Identifier: Apache-2.0 */
#include "link/http.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/must.h"
#include "link/http_wire.h"

struct http_client {
	struct http_settings settings;
	struct http_transfer transfer;
};

enum fate
http_client_new(
    const struct http_options *options, struct http_client **ret_client, struct err *err)
{
	struct http_client *client = calloc(1, sizeof *client);
	must(client);
	enum fate fate = http_settings_init(&client->settings, options, err);
	if (fate == FATE_DONE)
		fate = http_transfer_init(&client->transfer, &client->settings, err);
	if (fate != FATE_DONE) {
		http_client_free(client);
		return fate;
	}
	*ret_client = client;
	return FATE_DONE;
}

void
http_client_free(struct http_client *client)
{
	if (client == NULL)
		return;
	http_transfer_finish(&client->transfer);
	http_settings_finish(&client->settings);
	free(client);
}

enum fate
http_client_send(struct http_client *client, const struct http_request *request,
    struct http_response *response, struct err *err)
{
	struct http_transfer *t = &client->transfer;
	t->response = *response; /* its memory is used again */
	enum fate fate = http_transfer_prepare(t, request, err);
	if (fate == FATE_DONE)
		fate = http_transfer_conclude(t, curl_easy_perform(t->easy), err);
	t->response.fate = fate;
	*response = t->response;
	t->response = (struct http_response){ 0 };
	return fate;
}
