/* A YAML file as a tree of texts, lists and maps that know where they stand.
 *
 * Of YAML only what a configuration needs: one document; no aliases, anchors,
 * tags or merge keys; nesting up to CONFIG_DEPTH_MAX. Everything else is
 * reported, and the tree then lacks it. */
#ifndef DAEMON_CONFIG_TREE_H
#define DAEMON_CONFIG_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/config.h"
#include "daemon/config_arena.h"

#define CONFIG_DEPTH_MAX 32

enum config_node_type {
    CONFIG_NODE_TEXT,
    CONFIG_NODE_LIST,
    CONFIG_NODE_MAP,
    CONFIG_NODE_BAD /* something was wrong with it, and was reported */
};

/* Nodes refer to each other by index; 0 is none. The children of a map are
 * its keys and values in turn. */
struct config_node {
    const char *text; /* of a TEXT; NUL-terminated, holds no NUL */
    uint32_t line;
    uint32_t column;
    uint32_t width;
    uint32_t next;
    uint32_t child;
    uint8_t type;
    bool is_plain; /* written without quotes */
};

struct config_tree {
    struct config_node *nodes;
    uint32_t n_nodes;
    uint32_t capacity;
    uint32_t file;
    uint32_t root;    /* 0: the file says nothing */
    bool is_complete; /* false: reading stopped at an error */
    struct config_arena *memory;
};

/* Read file number `file` of the report, whose text was checked.
 * Returns 0 (end the tree with config_tree_done; there may be new errors in
 * the report) or TJ_ENOMEM. */
int config_tree_read(struct config_report *report,
                     uint32_t file,
                     struct config_tree *ret_tree);

void config_tree_done(struct config_tree *tree);

static inline const struct config_node *
config_node(const struct config_tree *tree, uint32_t index)
{
    return &tree->nodes[index];
}

/* The place of a node. */
struct config_mark config_node_mark(const struct config_tree *tree,
                                    uint32_t index);

#endif
