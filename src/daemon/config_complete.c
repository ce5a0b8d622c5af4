/* See config_complete.h. */
#include "daemon/config_complete.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/config_report.h"

static struct config_mark whole_file(void)
{
    struct config_mark mark = { .file = 1 };

    return mark;
}

/* ---- paths -------------------------------------------------------------- */

const char *config_path_below(struct config *config,
                              const char *directory,
                              const char *path)
{
    size_t directory_size = strlen(directory);
    size_t size = strlen(path);
    char *joined;

    if (path[0] == '/')
        return config_keep(config, path);
    while (path[0] == '.' && path[1] == '/') {
        for (path += 2; *path == '/'; path++)
            ;
        size = strlen(path);
    }
    if (!size || strcmp(path, ".") == 0)
        return config_keep(config, directory);
    joined = config_arena_take(config->memory, directory_size + size + 2);
    if (joined)
        snprintf(joined, directory_size + size + 2, "%s%s%s", directory,
                 directory[directory_size - 1] == '/' ? "" : "/", path);
    return joined;
}

static void
refuse_errno(struct config_binding *binding, int errno_value, const char *what)
{
    char text[128];

    config_report_add(binding->report, CONFIG_ERROR, whole_file(), NULL,
                      "%s: %s", what,
                      strerror_r(errno_value, text, sizeof(text)));
}

/* A path from the command line: relative to where we were started. */
static int below_working_directory(struct config_binding *binding,
                                   const char *path,
                                   const char **ret_path)
{
    char here[PATH_MAX] = "/";

    if (path[0] != '/' && !getcwd(here, sizeof(here)))
        refuse_errno(binding, errno, "the working directory cannot be found");
    *ret_path = config_path_below(binding->config, here, path);
    return *ret_path ? 0 : TJ_ENOMEM;
}

int config_complete_directory(struct config_binding *binding)
{
    struct config *config = binding->config;
    const char *path = binding->options->path;
    const char *slash = strrchr(path, '/');
    size_t size = slash ? (size_t)(slash - path) : 0;
    char directory[PATH_MAX], real[PATH_MAX] = "/";

    snprintf(directory, sizeof(directory), "%.*s", (int)size, path);
    if (!size)
        snprintf(directory, sizeof(directory), "%s", slash ? "/" : ".");
    if (!realpath(directory, real))
        refuse_errno(binding, errno, "its directory cannot be found");
    config->directory = config_keep(config, real);
    return config->directory ? 0 : TJ_ENOMEM;
}

/* ---- state -------------------------------------------------------------- */

/* Go on with a path that is never used, so that all else is checked as well. */
static int no_state(struct config_binding *binding)
{
    config_report_add(binding->report, CONFIG_ERROR, whole_file(),
                      "add state: DIRECTORY to the file, or set HOME",
                      "no directory for the state is known");
    binding->config->state = "/";
    return 0;
}

static int default_state(struct config_binding *binding)
{
    const struct config_options *options = binding->options;
    struct config *config = binding->config;

    if (options->is_root) {
        config->state = "/var/lib/timed-jobs";
        return 0;
    }
    if (options->xdg_state_home && options->xdg_state_home[0] == '/')
        config->state =
            config_path_below(config, options->xdg_state_home, "timed-jobs");
    else if (options->home && options->home[0] == '/')
        config->state =
            config_path_below(config, options->home, ".local/state/timed-jobs");
    else
        return no_state(binding);
    return config->state ? 0 : TJ_ENOMEM;
}

static int complete_state(struct config_binding *binding)
{
    struct config *config = binding->config;

    if (binding->options->state)
        return below_working_directory(binding, binding->options->state,
                                       &config->state);
    if (!config->state)
        return default_state(binding);
    config->state = config_path_below(config, config->directory, config->state);
    return config->state ? 0 : TJ_ENOMEM;
}

/* ---- what lies below it ------------------------------------------------- */

static int complete_path(struct config *config, const char **path)
{
    if (!*path)
        return 0;
    *path = config_path_below(config, config->state, *path);
    return *path ? 0 : TJ_ENOMEM;
}

static int complete_paths(struct config_binding *binding)
{
    struct config *config = binding->config;
    int code = complete_path(config, &config->lease.backend.path);

    if (!code)
        code = complete_path(config, &config->store.path);
    if (!code)
        code = complete_path(config, &config->log.dir);
    if (!code && binding->options->socket)
        return below_working_directory(binding, binding->options->socket,
                                       &config->control.socket);
    return code ? code : complete_path(config, &config->control.socket);
}

static void check_socket(struct config_binding *binding)
{
    enum { SOCKET_MAX = sizeof(((struct sockaddr_un *)0)->sun_path) - 1 };

    const struct config *config = binding->config;
    struct config_mark mark = config->marks[CONFIG_KEY_CONTROL_SOCKET];

    if (strlen(config->control.socket) <= SOCKET_MAX)
        return;
    if (!mark.file || binding->options->socket)
        mark = whole_file();
    config_report_add(binding->report, CONFIG_ERROR, mark,
                      "choose a short one: control: {socket: "
                      "/run/timed-jobs.sock}, or --socket PATH",
                      "the control socket's path has %zu bytes, and no socket "
                      "can have more than %d: %s",
                      strlen(config->control.socket), SOCKET_MAX,
                      config->control.socket);
}

/* ---- the lease's times -------------------------------------------------- */

/* "N/M of duration" for times that the file does not set, so that one number
 * scales them all. */
static void complete_lease(struct config *config)
{
    struct config_key_range range = config_section_keys(CONFIG_SECTION_LEASE);
    size_t at;

    for (at = range.first; at < range.first + range.count; at++) {
        const struct config_key_info *key = &config_keys[at];
        int64_t part, whole, *member;
        char *rest;

        if (config->marks[at].file || !key->fallback ||
            !strstr(key->fallback, " of duration"))
            continue;
        part = strtol(key->fallback, &rest, 10);
        whole = strtol(rest + 1, NULL, 10);
        member = (int64_t *)(void *)((char *)&config->lease + key->offset);
        *member = config->lease.duration_ms * part / whole;
    }
}

static void warn_store(struct config_binding *binding)
{
    const struct config *config = binding->config;

    if (config->marks[CONFIG_KEY_ROOT_STORE].file)
        config_report_add(binding->report, CONFIG_WARNING,
                          config->marks[CONFIG_KEY_ROOT_STORE],
                          "it is checked, and used once there is a store",
                          "store: this version does not keep a store yet");
}

/* ---- all together ------------------------------------------------------- */

static int complete_host(struct config_binding *binding)
{
    struct config *config = binding->config;
    char name[256] = "";

    if (config->host)
        return 0;
    if (binding->options->host)
        snprintf(name, sizeof(name), "%s", binding->options->host);
    else if (gethostname(name, sizeof(name) - 1) || !name[0])
        snprintf(name, sizeof(name), "localhost");
    config->host = config_keep(config, name);
    return config->host ? 0 : TJ_ENOMEM;
}

int config_complete(struct config_binding *binding)
{
    int code = complete_host(binding);

    complete_lease(binding->config);
    warn_store(binding);
    if (!code)
        code = complete_state(binding);
    if (!code)
        code = complete_paths(binding);
    if (!code)
        check_socket(binding);
    return code;
}
