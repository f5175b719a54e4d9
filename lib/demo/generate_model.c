/* SPDX-License-Identifier: Apache-2.0 */
#include "demo/generate_model.h"

#include <string.h>

static const struct generate_model *const models[] = { &generate_engagement, &generate_orders };

const struct generate_model *
generate_model_find(const char *name)
{
	for (size_t i = 0; i < sizeof models / sizeof *models; i++)
		if (strcmp(models[i]->name, name) == 0)
			return models[i];
	return NULL;
}

/* splitmix64 (Vigna, 2015): public domain, any seed will do. */
uint64_t
dice_word(struct dice *dice)
{
	uint64_t z = dice->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint64_t
dice_below(struct dice *dice, uint64_t n)
{
	return dice_word(dice) % n;
}

double
dice_real(struct dice *dice)
{
	return (double)(dice_word(dice) >> 11) / 9007199254740992.0;
}
