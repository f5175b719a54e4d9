/* SPDX-License-Identifier: Apache-2.0 */
/* registry_read.h -- the reader's pieces, for each other. Private to registry*.c.
 *
 * Everything taken belongs to the registry's arena. */
#ifndef ENGINE_REGISTRY_READ_H
#define ENGINE_REGISTRY_READ_H

#include "engine/registry.h"

void *registry_take(struct registry *r, size_t count, size_t size); /* cleared */
/* The engines are read already. */
enum fate registry_read_tables(
    struct registry *r, struct yaml_node *map, struct err *err) NODISCARD;

#endif
