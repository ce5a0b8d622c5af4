/* See config.h: how a configuration comes together out of its files. */
#include "daemon/config.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/alloc.h"
#include "daemon/config_bind.h"
#include "daemon/config_complete.h"
#include "daemon/config_file.h"
#include "daemon/config_report.h"

void config_options_init(struct config_options *options, const char *path)
{
    memset(options, 0, sizeof(*options));
    options->path = path;
    options->is_root = geteuid() == 0;
    options->xdg_state_home = secure_getenv("XDG_STATE_HOME");
    options->home = secure_getenv("HOME");
}

void config_free(struct config *config)
{
    if (!config)
        return;
    tj__free(config->jobs);
    config_arena_free(config->memory);
    tj__free(config);
}

const struct config_job *config_find_job(const struct config *config,
                                         const char *name)
{
    size_t at;

    for (at = 0; at < config->n_jobs; at++) {
        if (strcmp(config->jobs[at].name, name) == 0)
            return &config->jobs[at];
    }
    return NULL;
}

static struct config *config_new(const char *path)
{
    struct config *config = tj__calloc(1, sizeof(*config));

    if (!config)
        return NULL;
    config->memory = config_arena_new();
    if (config->memory)
        config->file = config_keep(config, path);
    if (!config->file) {
        config_free(config);
        return NULL;
    }
    return config;
}

/* ---- the main file ------------------------------------------------------ */

/* Remember where the values of a map stand. */
static void keep_marks(struct config_binding *binding,
                       enum config_section section,
                       const struct config_found *found)
{
    struct config_key_range range = config_section_keys(section);
    size_t at;

    for (at = range.first; at < range.first + range.count; at++) {
        uint32_t node = found[at].value ? found[at].value : found[at].key;

        if (node && config_node(binding->tree, node)->type != CONFIG_NODE_TEXT)
            node = found[at].key;
        if (node)
            binding->config->marks[at] = config_node_mark(binding->tree, node);
    }
}

/* A map outside of `jobs`; a single value may stand for one of its keys. */
static int bind_section(struct config_binding *binding,
                        enum config_section section,
                        uint32_t value,
                        enum config_key short_for,
                        void *base)
{
    struct config_place place = { config_section_name(section), NULL, -1 };
    struct config_found found[CONFIG_KEY_MAX_];
    int code = config_bind_defaults(binding, section, base);

    if (code || !value)
        return code;
    if (short_for != CONFIG_KEY_MAX_ &&
        config_node(binding->tree, value)->type == CONFIG_NODE_TEXT) {
        binding->config->marks[short_for] =
            config_node_mark(binding->tree, value);
        return config_bind_value(binding, &place, short_for, value, base);
    }
    code = config_bind_map(binding, &place, section, value, base, found);
    keep_marks(binding, section, found);
    return code;
}

static int bind_sections(struct config_binding *binding,
                         const struct config_found *found)
{
    struct config *config = binding->config;
    int code;

    code = bind_section(binding, CONFIG_SECTION_LEASE,
                        found[CONFIG_KEY_ROOT_LEASE].value,
                        CONFIG_KEY_LEASE_BACKEND, &config->lease);
    if (!code)
        code = bind_section(binding, CONFIG_SECTION_LOG,
                            found[CONFIG_KEY_ROOT_LOG].value,
                            CONFIG_KEY_LOG_DIR, &config->log);
    if (!code)
        code = bind_section(binding, CONFIG_SECTION_CONTROL,
                            found[CONFIG_KEY_ROOT_CONTROL].value,
                            CONFIG_KEY_MAX_, &config->control);
    if (!code)
        code = bind_section(binding, CONFIG_SECTION_STOP,
                            found[CONFIG_KEY_ROOT_STOP].value, CONFIG_KEY_MAX_,
                            &config->stop);
    return code;
}

/* What the main file lacks is an error only when nothing else has it. */
static void check_jobs(struct config_binding *binding,
                       const struct config_tree *main_tree,
                       struct config_found jobs)
{
    struct config_mark mark = { main_tree->file, 1, 1, 1 };

    if (binding->config->n_jobs || !main_tree->is_complete)
        return;
    if (main_tree->root &&
        config_node(main_tree, main_tree->root)->type != CONFIG_NODE_MAP)
        return;
    if (main_tree->root)
        mark = config_node_mark(main_tree, main_tree->root);
    else
        config_report_drop_text(binding->report, mark.file);
    if (!jobs.key && !config_bind_is_misspelt(main_tree, main_tree->root,
                                              CONFIG_SECTION_ROOT, "jobs"))
        config_report_add(binding->report, CONFIG_ERROR, mark,
                          "the least is: jobs: {hello: {every: 10s, command: "
                          "[date]}}",
                          main_tree->root ? "there is no 'jobs'"
                                          : "the file is empty");
    if (jobs.value && !config_node(main_tree, jobs.value)->child &&
        config_node(main_tree, jobs.value)->type == CONFIG_NODE_MAP)
        config_report_add(binding->report, CONFIG_WARNING,
                          config_node_mark(main_tree, jobs.key), NULL,
                          "'jobs' is empty: there is nothing to run");
}

/* ---- conf.d ------------------------------------------------------------- */

/* A file of jobs only. */
static int bind_jobs_file(struct config_binding *binding)
{
    static const struct config_place place = { NULL, NULL, -1 };
    struct config_found found[CONFIG_KEY_MAX_];
    struct config unused;
    size_t at;
    int code;

    if (!binding->tree->root)
        return 0; /* all of it commented out, say */
    code = config_bind_map(binding, &place, CONFIG_SECTION_ROOT,
                           binding->tree->root, &unused, found);
    for (at = 0; at < CONFIG_KEY_MAX_; at++) {
        if (found[at].key && at != CONFIG_KEY_ROOT_JOBS)
            config_bind_refuse(binding, &place, config_keys[at].word,
                               config_node_mark(binding->tree, found[at].key),
                               "files in conf.d hold 'jobs' and nothing else",
                               "belongs into the main file");
    }
    if (!code && found[CONFIG_KEY_ROOT_JOBS].value)
        code = config_bind_jobs(binding, found[CONFIG_KEY_ROOT_JOBS].value);
    return code;
}

/* Read a file into a tree. 0 with `*ret_good` false: reported. */
static int read_tree(struct config_report *report,
                     uint32_t file,
                     struct config_tree *ret_tree,
                     bool *ret_good)
{
    int code = config_file_check_text(report, file);

    *ret_good = !code;
    if (!code)
        code = config_tree_read(report, file, ret_tree);
    return code == TJ_EINVAL ? 0 : code;
}

static int load_jobs_file(struct config_binding *binding, const char *path)
{
    uint32_t file = config_report_add_file(binding->report, path);
    struct config_tree tree;
    bool good = false;
    int code;

    if (!file)
        return TJ_ENOMEM;
    code = config_file_read(binding->report, file, path,
                            /* only_regular= */ true);
    if (code)
        return code == TJ_EINVAL ? 0 : code;
    code = read_tree(binding->report, file, &tree, &good);
    if (code || !good)
        return code;
    binding->tree = &tree;
    code = bind_jobs_file(binding);
    binding->tree = NULL;
    config_tree_done(&tree);
    return code;
}

/* The names of a directory, sorted. */
struct names {
    char **names;
    size_t count;
};

static void names_done(struct names *names)
{
    while (names->count)
        tj__free(names->names[--names->count]);
    tj__free(names->names);
}

static int names_add(struct names *names, const char *name)
{
    char **grown =
        tj__realloc(names->names, (names->count + 1) * sizeof(*grown));

    if (!grown)
        return TJ_ENOMEM;
    names->names = grown;
    grown[names->count] = tj__strdup(name);
    return grown[names->count++] ? 0 : TJ_ENOMEM;
}

static int name_compare(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);

    return size > end_size && strcmp(text + size - end_size, end) == 0;
}

static void report_directory(struct config_report *report,
                             const char *path,
                             enum config_severity severity,
                             const char *hint,
                             const char *message)
{
    struct config_mark mark = { .file = config_report_add_file(report, path) };

    config_report_add(report, severity, mark, hint, "%s", message);
}

static int list_directory(struct config_report *report,
                          const char *path,
                          struct names *names)
{
    const struct dirent *entry;
    DIR *directory = opendir(path);
    char text[128];
    int code = 0;

    if (!directory) {
        if (errno != ENOENT && errno != ENOTDIR)
            report_directory(report, path, CONFIG_ERROR, NULL,
                             strerror_r(errno, text, sizeof(text)));
        return 0;
    }
    /* The stream is this function's alone. */
    while (!code && (entry = readdir(directory))) { /* NOLINT */
        if (entry->d_name[0] != '.' && (ends_with(entry->d_name, ".yaml") ||
                                        ends_with(entry->d_name, ".yml")))
            code = names_add(names, entry->d_name);
    }
    (void)closedir(directory);
    if (!code && names->count)
        qsort(names->names, names->count, sizeof(*names->names), name_compare);
    return code;
}

static int load_listed(struct config_binding *binding,
                       const char *directory,
                       const char *name)
{
    tj_buf path = TJ_BUF_INIT;
    int code = TJ_ENOMEM;

    tj__buf_printf(&path, "%s/%s", directory, name);
    if (!path.failed && ends_with(name, ".yaml")) {
        code = load_jobs_file(binding, path.data);
    } else if (!path.failed) {
        report_directory(binding->report, path.data, CONFIG_WARNING,
                         "rename it to .yaml",
                         "not read: its name does not end in .yaml");
        code = 0;
    }
    tj__buf_done(&path);
    return code;
}

static int load_directory(struct config_binding *binding)
{
    const char *main_path = binding->options->path;
    const char *slash = strrchr(main_path, '/');
    struct names names = { NULL, 0 };
    tj_buf path = TJ_BUF_INIT;
    size_t at;
    int code = TJ_ENOMEM;

    tj__buf_append(&path, main_path,
                   slash ? (size_t)(slash + 1 - main_path) : 0);
    tj__buf_append_text(&path, "conf.d");
    if (!path.failed)
        code = list_directory(binding->report, path.data, &names);
    for (at = 0; !code && at < names.count; at++)
        code = load_listed(binding, path.data, names.names[at]);
    names_done(&names);
    tj__buf_done(&path);
    return code;
}

/* ---- all together ------------------------------------------------------- */

static int bind_main(struct config_binding *binding, struct config_found *found)
{
    static const struct config_place place = { NULL, NULL, -1 };
    struct config *config = binding->config;
    const struct config_tree *tree = binding->tree;
    int code = config_complete_directory(binding);

    memset(found, 0, CONFIG_KEY_MAX_ * sizeof(*found));
    if (!code)
        code = config_bind_defaults(binding, CONFIG_SECTION_ROOT, config);
    if (!code && tree->root)
        code = config_bind_map(binding, &place, CONFIG_SECTION_ROOT, tree->root,
                               config, found);
    keep_marks(binding, CONFIG_SECTION_ROOT, found);
    if (!code)
        code = bind_sections(binding, found);
    if (!code)
        code = config_complete(binding);
    if (!code && found[CONFIG_KEY_ROOT_JOBS].value)
        code = config_bind_jobs(binding, found[CONFIG_KEY_ROOT_JOBS].value);
    return code;
}

static int
load_main(struct config_binding *binding, uint32_t file, bool with_directory)
{
    struct config_found found[CONFIG_KEY_MAX_];
    struct config_tree tree;
    bool good = false;
    int code = read_tree(binding->report, file, &tree, &good);

    if (code || !good)
        return code;
    binding->tree = &tree;
    code = bind_main(binding, found);
    if (!code && with_directory)
        code = load_directory(binding);
    if (!code)
        check_jobs(binding, &tree, found[CONFIG_KEY_ROOT_JOBS]);
    binding->tree = NULL;
    config_tree_done(&tree);
    return code;
}

static int load(const struct config_options *options,
                struct config_report *report,
                uint32_t file,
                bool with_directory,
                struct config **ret_config)
{
    struct config_binding binding = {
        .options = options,
        .report = report,
        .config = config_new(options->path),
    };
    int code;

    if (!binding.config)
        return TJ_ENOMEM;
    code = load_main(&binding, file, with_directory);
    config_names_done(&binding.jobs);
    if (!code && report->out_of_memory)
        code = TJ_ENOMEM;
    if (!code && config_report_n_errors(report))
        code = TJ_EINVAL;
    if (code)
        config_free(binding.config);
    else
        *ret_config = binding.config;
    return code;
}

int config_load(const struct config_options *options,
                struct config_report *report,
                struct config **ret_config)
{
    uint32_t file = config_report_add_file(report, options->path);
    int code;

    if (!file)
        return TJ_ENOMEM;
    code = config_file_read(report, file, options->path,
                            /* only_regular= */ false);
    if (code)
        return code;
    return load(options, report, file, /* with_directory= */ true, ret_config);
}

int config_load_text(const struct config_options *options,
                     const char *text,
                     size_t size,
                     struct config_report *report,
                     struct config **ret_config)
{
    uint32_t file = config_report_add_file(report, options->path);
    char *copy = file ? tj__strndup(text, size) : NULL;

    if (!copy)
        return TJ_ENOMEM;
    config_report_take_text(report, file, copy, size);
    return load(options, report, file, /* with_directory= */ false, ret_config);
}
