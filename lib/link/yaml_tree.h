/* SPDX-License-Identifier: Apache-2.0 */
/* yaml_tree.h -- what yaml.c (the reader) and yaml_get.c (the getters) share: the
 * document, its arena and the substitution. Only for these files and their tests. */
#ifndef LINK_YAML_TREE_H
#define LINK_YAML_TREE_H

#include "base/arena.h"
#include "base/buf.h"
#include "link/yaml.h"

struct yaml {
	struct arena arena; /* nodes, texts, the name */
	const char *name;
	struct yaml_node *root;
};

/* Puts text into out with ${NAME} and ${NAME:-default} replaced; node is the place. */
enum fate yaml_substitute(struct buf *out, struct slice text, yaml_env *env, void *env_ctx,
    const struct yaml_node *node, struct err *err) NODISCARD;

#endif
