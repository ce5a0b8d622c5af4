/* See config_tree.h. */
#include "daemon/config_tree.h"

#include <string.h>
#include <yaml.h>

#include "base/alloc.h"
#include "daemon/config_report.h"
#include "daemon/config_syntax.h"

/* One open list or map. */
struct frame {
    uint32_t node;
    uint32_t last; /* its last child, 0: none yet */
    uint32_t key;  /* a map's key that waits for its value, 0: none */
};

struct reading {
    struct config_report *report;
    struct config_tree *tree;
    struct frame frames[CONFIG_DEPTH_MAX];
    size_t depth;
    bool has_document;
    bool is_over;
};

struct config_mark config_node_mark(const struct config_tree *tree,
                                    uint32_t index)
{
    const struct config_node *node = config_node(tree, index);
    struct config_mark mark = { tree->file, node->line, node->column,
                                node->width };

    return mark;
}

/* Lists and maps are marked by their first character only, and so is a text
 * of several lines. */
static struct config_mark event_mark(const struct reading *reading,
                                     const yaml_event_t *event)
{
    const yaml_mark_t *start = &event->start_mark;
    const yaml_mark_t *end = &event->end_mark;
    struct config_mark mark = {
        .file = reading->tree->file,
        .line = (uint32_t)start->line + 1,
        .column = (uint32_t)start->column + 1,
        .width = 1,
    };

    if (start->line == end->line && end->column > start->column)
        mark.width = (uint32_t)(end->column - start->column);
    return mark;
}

/* A new node at the event's place; 0 when out of memory. */
static uint32_t node_new(struct reading *reading,
                         const yaml_event_t *event,
                         enum config_node_type type)
{
    struct config_tree *tree = reading->tree;
    struct config_mark mark = event_mark(reading, event);
    struct config_node *nodes = tree->nodes;
    struct config_node *node;
    uint32_t capacity;

    if (tree->n_nodes == tree->capacity) {
        capacity = tree->capacity ? tree->capacity * 2 : 64;
        nodes = tj__realloc(nodes, capacity * sizeof(*nodes));
        if (!nodes)
            return 0;
        tree->nodes = nodes;
        tree->capacity = capacity;
    }
    node = &nodes[tree->n_nodes];
    memset(node, 0, sizeof(*node));
    node->type = (uint8_t)type;
    node->line = mark.line;
    node->column = mark.column;
    node->width = mark.width;
    return tree->n_nodes++;
}

static void frame_link(struct reading *reading, uint32_t node)
{
    struct frame *frame = &reading->frames[reading->depth - 1];
    struct config_node *nodes = reading->tree->nodes;

    if (frame->last)
        nodes[frame->last].next = node;
    else
        nodes[frame->node].child = node;
    frame->last = node;
}

/* Put a finished or opened node where it belongs. A key is held back until
 * its value comes, so that a map never has half a pair. */
static void node_place(struct reading *reading, uint32_t node)
{
    struct config_tree *tree = reading->tree;
    struct frame *frame;

    if (reading->depth == 0) {
        tree->root = node;
        return;
    }
    frame = &reading->frames[reading->depth - 1];
    if (tree->nodes[frame->node].type != CONFIG_NODE_MAP) {
        frame_link(reading, node);
    } else if (!frame->key) {
        frame->key = node;
    } else {
        frame_link(reading, frame->key);
        frame_link(reading, node);
        frame->key = 0;
    }
}

/* Report something about an event; `what` fills the message's %s. */
#define REFUSE(reading, event, hint, format, what)     \
    config_report_add((reading)->report, CONFIG_ERROR, \
                      event_mark(reading, event), hint, format, what)

static void refuse_anchor(struct reading *reading,
                          const yaml_event_t *event,
                          const yaml_char_t *anchor)
{
    if (anchor)
        REFUSE(reading, event,
               "write the value out; quote a text that starts with '&'",
               "anchors ('&%.40s') are not supported", (const char *)anchor);
}

static void refuse_tag(struct reading *reading,
                       const yaml_event_t *event,
                       const yaml_char_t *tag)
{
    if (tag)
        config_report_add(reading->report, CONFIG_ERROR,
                          event_mark(reading, event),
                          "leave it out: a key's type is known; quote a text "
                          "that starts with '!'",
                          "tags are not supported");
}

static int on_scalar(struct reading *reading, const yaml_event_t *event)
{
    const char *value = (const char *)event->data.scalar.value;
    size_t size = event->data.scalar.length;
    uint32_t index = node_new(reading, event, CONFIG_NODE_TEXT);
    struct config_node *node;

    if (!index)
        return TJ_ENOMEM;
    refuse_anchor(reading, event, event->data.scalar.anchor);
    refuse_tag(reading, event, event->data.scalar.tag);
    node = &reading->tree->nodes[index];
    node->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->text = config_arena_copy(reading->tree->memory, value, size);
    if (!node->text)
        return TJ_ENOMEM;
    if (memchr(value, '\0', size)) {
        REFUSE(reading, event, NULL, "a text cannot hold %s", "U+0000");
        node->type = CONFIG_NODE_BAD;
    }
    node_place(reading, index);
    return 0;
}

static int on_alias(struct reading *reading, const yaml_event_t *event)
{
    uint32_t index = node_new(reading, event, CONFIG_NODE_BAD);

    if (!index)
        return TJ_ENOMEM;
    REFUSE(reading, event,
           "write the value out; quote a text that starts with '*'",
           "aliases ('*%.40s') are not supported",
           (const char *)event->data.alias.anchor);
    node_place(reading, index);
    return 0;
}

static int on_open(struct reading *reading,
                   const yaml_event_t *event,
                   enum config_node_type type)
{
    struct frame frame = { 0, 0, 0 };

    if (reading->depth == CONFIG_DEPTH_MAX) {
        REFUSE(reading, event, NULL, "nested deeper than %d levels",
               CONFIG_DEPTH_MAX);
        reading->is_over = true;
        return 0;
    }
    frame.node = node_new(reading, event, type);
    if (!frame.node)
        return TJ_ENOMEM;
    /* The whole width of a list or a map is more than anybody wants to see. */
    reading->tree->nodes[frame.node].width = 1;
    node_place(reading, frame.node);
    reading->frames[reading->depth++] = frame;
    return 0;
}

static void on_document(struct reading *reading, const yaml_event_t *event)
{
    if (reading->has_document) {
        REFUSE(reading, event,
               "put further jobs under the first 'jobs', or "
               "into a file in conf.d",
               "%s", "a second document begins here");
        reading->tree->is_complete = true;
        reading->is_over = true;
    }
    reading->has_document = true;
}

static int on_event(struct reading *reading, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        on_document(reading, event);
        return 0;
    case YAML_ALIAS_EVENT:
        return on_alias(reading, event);
    case YAML_SCALAR_EVENT:
        return on_scalar(reading, event);
    case YAML_SEQUENCE_START_EVENT:
        refuse_anchor(reading, event, event->data.sequence_start.anchor);
        refuse_tag(reading, event, event->data.sequence_start.tag);
        return on_open(reading, event, CONFIG_NODE_LIST);
    case YAML_MAPPING_START_EVENT:
        refuse_anchor(reading, event, event->data.mapping_start.anchor);
        refuse_tag(reading, event, event->data.mapping_start.tag);
        return on_open(reading, event, CONFIG_NODE_MAP);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        reading->depth--;
        return 0;
    case YAML_STREAM_END_EVENT:
        reading->tree->is_complete = true;
        reading->is_over = true;
        return 0;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return 0;
    }
    return 0;
}

/* What libyaml read just before it gave up is often half of what was meant:
 * "a" in `key: a: b`. One finding about the place is enough. */
static void distrust_last(struct reading *reading, uint32_t line)
{
    struct config_tree *tree = reading->tree;
    uint32_t last = tree->root;

    if (reading->depth)
        last = reading->frames[reading->depth - 1].last;
    if (last && tree->nodes[last].line + 1 >= line)
        tree->nodes[last].type = CONFIG_NODE_BAD;
}

static int read_events(struct reading *reading, yaml_parser_t *parser)
{
    yaml_event_t event;
    int code = 0;

    while (!code && !reading->is_over) {
        if (!yaml_parser_parse(parser, &event)) {
            if (parser->error == YAML_MEMORY_ERROR)
                return TJ_ENOMEM;
            config_syntax_report(reading->report, reading->tree->file, parser);
            distrust_last(reading, (uint32_t)parser->problem_mark.line + 1);
            return 0;
        }
        code = on_event(reading, &event);
        yaml_event_delete(&event);
    }
    return code;
}

/* "---" alone is a document whose root is an empty text. */
static void drop_empty_root(struct config_tree *tree)
{
    const struct config_node *root = config_node(tree, tree->root);

    if (tree->root && root->type == CONFIG_NODE_TEXT && root->is_plain &&
        !root->text[0])
        tree->root = 0;
}

int config_tree_read(struct config_report *report,
                     uint32_t file,
                     struct config_tree *ret_tree)
{
    const struct config_source *source = config_report_source(report, file);
    struct config_tree tree = { .file = file, .n_nodes = 0 };
    struct reading reading = { .report = report, .tree = &tree };
    yaml_parser_t parser;
    int code;

    tree.memory = config_arena_new();
    tree.nodes = tj__calloc(64, sizeof(*tree.nodes));
    tree.capacity = 64;
    tree.n_nodes = 1; /* 0 is none */
    if (!tree.memory || !tree.nodes || !yaml_parser_initialize(&parser)) {
        config_tree_done(&tree);
        return TJ_ENOMEM;
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)source->text,
                                 source->size);
    code = read_events(&reading, &parser);
    yaml_parser_delete(&parser);
    drop_empty_root(&tree);
    if (code)
        config_tree_done(&tree);
    else
        *ret_tree = tree;
    return code;
}

void config_tree_done(struct config_tree *tree)
{
    config_arena_free(tree->memory);
    tj__free(tree->nodes);
    memset(tree, 0, sizeof(*tree));
}
