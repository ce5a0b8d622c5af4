/* See registry.h. */
#include "engine/registry.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json_write.h"
#include "base/text.h"

#define MODULE "engine"

static const char framework_suffix[] = ".framework";

typedef struct name_span {
    const char *text;
    size_t size;
} name_span;

/* FNV-1a. The names are the program's own: nobody can flood this table. */
static uint64_t name_hash(name_span name)
{
    uint64_t hash = 0xcbf29ce484222325u;
    size_t at;

    for (at = 0; at < name.size; at++)
        hash = (hash ^ (unsigned char)name.text[at]) * 0x100000001b3u;
    return hash;
}

/* U+0000, which such a text holds as C0 80, counts as one. */
static bool has_control_character(name_span name)
{
    size_t at;

    for (at = 0; at < name.size; at++) {
        unsigned char byte = (unsigned char)name.text[at];

        if (byte < 0x20 || byte == 0x7f || byte == 0xc0)
            return true;
    }
    return false;
}

static bool is_reserved(const char *job, name_span name)
{
    size_t job_size = strlen(job);

    return name.size == job_size + sizeof(framework_suffix) - 1 &&
           !memcmp(name.text, job, job_size) &&
           !memcmp(name.text + job_size, framework_suffix,
                   sizeof(framework_suffix) - 1);
}

static int name_normalise(const char *job,
                          const char *text,
                          name_span *ret_name,
                          tj_error *reterr)
{
    tj__text_trim_js(text ? text : "", &ret_name->text, &ret_name->size);
    if (!ret_name->size)
        return tj__error_set(reterr, TJ_EINVAL, MODULE,
                             "a runner's name must not be empty");
    if (ret_name->size > TJ_RUNNER_NAME_MAX)
        return tj__error_set(reterr, TJ_EINVAL, MODULE,
                             "a runner's name has at most %d bytes, not %zu",
                             TJ_RUNNER_NAME_MAX, ret_name->size);
    if (has_control_character(*ret_name))
        return tj__error_set(reterr, TJ_EINVAL, MODULE,
                             "a runner's name has no control characters");
    if (is_reserved(job, *ret_name))
        return tj__error_set(reterr, TJ_EINVAL, MODULE,
                             "the runner name '%s%s' is reserved", job,
                             framework_suffix);
    return 0;
}

/* The slot that holds the name, or the free one where it belongs. */
static uint32_t *
slot_find(const tj_registry *registry, name_span name, uint64_t hash)
{
    uint32_t mask = registry->n_slots - 1;
    uint32_t at = (uint32_t)hash & mask;

    for (;; at = (at + 1) & mask) {
        uint32_t *slot = &registry->slots[at];
        const tj_registered *entry;

        if (!*slot)
            return slot;
        entry = registry->entries[*slot - 1];
        if (entry->hash == hash &&
            !strncmp(entry->name, name.text, name.size) &&
            !entry->name[name.size])
            return slot;
    }
}

/* Make room for one more entry; the table stays at most half full. */
static bool registry_grow(tj_registry *registry)
{
    tj_registry grown = *registry;
    tj_registered **entries;
    uint32_t index;

    if (registry->n_entries < registry->n_entries_max)
        return true;
    if (registry->n_entries_max > UINT32_MAX / 8)
        return false;
    grown.n_entries_max = grown.n_entries_max ? grown.n_entries_max * 2 : 8;
    grown.n_slots = grown.n_entries_max * 2;

    entries = tj__realloc(registry->entries,
                          grown.n_entries_max * sizeof(tj_registered *));
    if (!entries)
        return false;
    registry->entries = entries;
    grown.entries = entries;
    grown.slots = tj__calloc(grown.n_slots, sizeof(*grown.slots));
    if (!grown.slots)
        return false;

    for (index = 0; index < grown.n_entries; index++) {
        const tj_registered *entry = entries[index];
        name_span name = { entry->name, strlen(entry->name) };

        *slot_find(&grown, name, entry->hash) = index + 1;
    }
    tj__free(registry->slots);
    *registry = grown;
    return true;
}

/* One block: the entry, its name, its description, its part of a log line. */
static tj_registered *entry_new(const tj_runner *runner, name_span name)
{
    size_t description_size =
        runner->description ? strlen(runner->description) + 1 : 0;
    tj_buf log_name = TJ_BUF_INIT;
    tj_registered *entry = NULL;
    char *at;

    tj__log_line_name(&log_name, name.text, name.size);
    if (!log_name.failed)
        entry =
            tj__calloc(1, sizeof(*entry) + name.size + 1 + description_size +
                              TJ_PIECE_SPACE(log_name.size));
    if (!entry)
        goto out;

    at = (char *)(entry + 1);
    memcpy(at, log_name.data, log_name.size);
    entry->log_name = (tj_piece){ at, log_name.size };
    at += TJ_PIECE_SPACE(log_name.size);
    memcpy(at, name.text, name.size);
    entry->name = at;
    at += name.size + 1;
    if (description_size)
        entry->description = memcpy(at, runner->description, description_size);
    entry->run = runner->run;
    entry->cancel = runner->cancel;
    entry->free = runner->free;
    entry->userdata = runner->userdata;
    entry->timeout_ms = runner->timeout_ms;
out:
    tj__buf_done(&log_name);
    return entry;
}

int tj__registry_add(tj_registry *registry,
                     const char *job,
                     const tj_runner *runner,
                     tj_error *reterr)
{
    tj_registered *entry;
    name_span name;
    uint64_t hash;
    uint32_t *slot;
    int rc = name_normalise(job, runner->name, &name, reterr);

    if (rc)
        return rc;
    if (!registry_grow(registry))
        return tj__error_set(reterr, TJ_ENOMEM, MODULE, "out of memory");
    hash = name_hash(name);
    slot = slot_find(registry, name, hash);
    if (*slot)
        return tj__error_set(reterr, TJ_EEXIST, MODULE,
                             "a runner '%s' is registered already",
                             registry->entries[*slot - 1]->name);

    entry = entry_new(runner, name);
    if (!entry)
        return tj__error_set(reterr, TJ_ENOMEM, MODULE, "out of memory");
    entry->hash = hash;
    registry->entries[registry->n_entries] = entry;
    *slot = ++registry->n_entries;
    return 0;
}

void tj__registry_done(tj_registry *registry)
{
    uint32_t index;

    for (index = 0; index < registry->n_entries; index++) {
        tj_registered *entry = registry->entries[index];

        if (entry->free)
            entry->free(entry->userdata);
        tj__free(entry);
    }
    tj__free(registry->entries);
    tj__free(registry->slots);
    memset(registry, 0, sizeof(*registry));
}
