/* The configuration file: what it says, as numbers and text.
 *
 * One YAML file, and `conf.d/` with more jobs beside it, is read into a
 * `struct config`; everything that is wrong with it is told at once, with
 * file, line, column, the line itself and a hint. A configuration that loads
 * is complete (defaults filled in, paths absolute) and within every range of
 * timed-jobs.conf(5). Nothing here touches the system but for reading the
 * files: no directory is made, no lease file is opened.
 *
 * What the words mean stands in config_keys.def, how they are read in
 * docs/design/config.md. Any one thread; nothing but the files' disk blocks.
 *
 * The way through:
 *
 *     struct config_options options;
 *     struct config_report *report = config_report_new();
 *     struct config *config = NULL;
 *
 *     config_options_init(&options, path);
 *     code = config_load(&options, report, &config);
 *     if (!code && tj_lease_options_check(...))
 *         config_report_add(report, CONFIG_ERROR,
 *                           config->marks[CONFIG_KEY_LEASE_KILL], NULL, ...);
 *     config_report_print(report, &text, colour);
 *     config_report_free(report);
 */
#ifndef DAEMON_CONFIG_H
#define DAEMON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#include <timedjobs/error.h>
#include <timedjobs/export.h>
#include <timedjobs/json.h>

/* One number for each key of the file: CONFIG_KEY_LEASE_RENEW and so on. */
enum config_key {

#define CONFIG_KEY(section, id, word, type, member, low, high, fallback, \
                   words)                                                \
    CONFIG_KEY_##section##_##id,
#define CONFIG_LATER(section, id, word) CONFIG_KEY_##section##_##id,
#include "daemon/config_keys.def"
    CONFIG_KEY_MAX_
};

/* A place in a file. Lines and columns count from 1, columns in characters.
 * Line 0 with a file: the file as a whole; file 0: nowhere (a default). */
struct config_mark {
    uint32_t file; /* number of the file in its report, from 1 */
    uint32_t line;
    uint32_t column;
    uint32_t width; /* characters to underline; at least 1 with a line */
};

/* ---- what the file says ------------------------------------------------- */

/* All text is borrowed from the config and lives as long as it does. */

enum config_backend_kind { CONFIG_BACKEND_MEMORY, CONFIG_BACKEND_SQLITE };

struct config_backend {
    enum config_backend_kind kind;
    const char *text; /* as written: "sqlite:timed-jobs.db" */
    const char *path; /* absolute; NULL for memory */
};

enum config_on_hang { CONFIG_ON_HANG_KILL, CONFIG_ON_HANG_KEEP };

/* Times count from the moment at which the last confirmed renewal was sent;
 * the inequalities between them are the lease room's to check. */
struct config_lease {
    struct config_backend backend;
    const char *name;
    int64_t duration_ms;  /* L */
    int64_t renew_ms;     /* R */
    int64_t new_runs_ms;  /* N: no run starts after it */
    int64_t terminate_ms; /* T: running commands get SIGTERM */
    int64_t grace_ms;     /* what they have from then on */
    int64_t kill_ms;      /* K: they are killed */
    int64_t dead_ms;      /* D: a daemon that still leads counts as hanging */
    int64_t slack_ms;     /* how late a kill may come */
    int64_t drift_ppm;    /* rho: how much clock rates may differ */
    int64_t hold_off_ms;  /* no candidate for so long after a step-down */
    int64_t heartbeat_ms; /* a loop that stood still so long resigns; 0: off */
    enum config_on_hang on_hang;
};

struct config_log {
    const char *dir;   /* absolute */
    int64_t keep_days; /* 0: keep all */
    int64_t max_size;  /* bytes; 0: no limit */
    int64_t sync_ms;   /* 0: never, -1: after each write */
    int64_t queue_size;
    int64_t flush_timeout_ms;
};

struct config_control {
    const char *socket; /* absolute; fits into a sockaddr_un */
};

struct config_stop {
    int64_t drain_ms; /* -1: wait for ever, 0: do not wait */
    int64_t grace_ms; /* between SIGTERM and SIGKILL for what is left then */
};

struct config_env {
    const char *name;
    const char *value;
};

/* One command runner, complete: what the job said for all its runners is
 * filled in where the runner itself said nothing. */
struct config_runner {
    const char *name;
    const char *description; /* NULL for none */
    const char **argv;       /* ended by NULL; /bin/sh -c TEXT for shell */
    size_t n_argv;
    bool is_shell;      /* written as shell; argv[2] is the text */
    int64_t timeout_ms; /* 0: none */
    int64_t grace_ms;
    const struct config_env *env; /* sorted by name, each name once */
    size_t n_env;
    const char *directory; /* absolute */
    int64_t output_max;    /* bytes of each output's end that are kept */
    struct config_mark mark;
};

struct config_budgets {
    int64_t messages;
    int64_t tasks;
    int64_t settle_ms;
};

struct config_job {
    const char *name;
    const char *description; /* NULL for none */
    const char *lease;       /* the lease's name */
    int64_t interval_ms;
    struct config_budgets budgets;
    int64_t gate_timeout_ms; /* 0: none */
    bool coalesce_busy;
    struct config_runner *runners; /* in the file's order; at least one */
    size_t n_runners;
    struct config_mark mark; /* of its name */
};

struct config {
    const char *file;      /* the main file, as it was named */
    const char *directory; /* absolute; where the main file is */
    const char *state;     /* absolute */
    const char *host;
    struct config_lease lease;
    struct config_backend store;
    struct config_log log;
    struct config_control control;
    struct config_stop stop;
    struct config_job *jobs; /* in the files' order, main file first */
    size_t n_jobs;
    /* Where each value outside `jobs` stands; the key's own place where it
     * has no value of one line; file 0 for what is not in the file. */
    struct config_mark marks[CONFIG_KEY_MAX_];
    struct config_arena *memory;
};

/* ---- what is wrong with it ---------------------------------------------- */

enum config_severity { CONFIG_ERROR, CONFIG_WARNING };

/* One finding. Borrowed from its report. */
struct config_diagnostic {
    enum config_severity severity;
    struct config_mark mark;
    const char *file;    /* NULL when it belongs to none */
    const char *message; /* one line */
    const char *hint;    /* one line, or NULL */
    const char *excerpt; /* the line of the file as it can be shown, or NULL */
};

/* Findings, and the files' text for as long as it takes to show them. */
struct config_report;

/* More errors than this are counted but not kept. */
#define CONFIG_ERRORS_MAX 20

/* NULL when out of memory. */
struct config_report *config_report_new(void);
/* NULL is a no-op. The config that was loaded with it lives on. */
void config_report_free(struct config_report *report);

size_t config_report_n_errors(const struct config_report *report);
size_t config_report_n_warnings(const struct config_report *report);

/* Add a finding. `hint` may be NULL; everything is copied. What cannot be
 * kept for want of memory still counts. */
void config_report_add(struct config_report *report,
                       enum config_severity severity,
                       struct config_mark mark,
                       const char *hint,
                       const char *format,
                       ...) TJ_PRINTF(5, 6);

/* Fill in finding number `index` in the order of files and lines, borrowed from
 * the report. False past the end. */
bool config_report_at(struct config_report *report,
                      size_t index,
                      struct config_diagnostic *ret_diagnostic);

/* Print all findings for a person:
 *
 *     FILE:LINE:COLUMN: error: MESSAGE
 *         11 |     timzone: America/New_York
 *            |     ^~~~~~~
 *            = hint: HINT
 *
 * `colour`: with ANSI escapes. `text` fails when out of memory. */
void config_report_print(struct config_report *report,
                         tj_buf *text,
                         bool colour);

/* The findings as an array of {severity, file, line, column, message, excerpt,
 * hint}, null for what there is none of. NULL when out of memory. */
tj_json *config_report_to_json(struct config_report *report);

/* ---- loading ------------------------------------------------------------ */

/* Bytes that one file may have. */
#define CONFIG_FILE_SIZE_MAX (4u << 20)

struct config_options {
    const char *path; /* the main file */
    /* What the command line says instead of the file; NULL: nothing. Relative
     * to the working directory. */
    const char *state;
    const char *socket;
    /* Where the defaults come from; config_options_init asks the system. */
    bool is_root;               /* state is below /var/lib */
    const char *xdg_state_home; /* may be NULL; ignored unless absolute */
    const char *home;           /* may be NULL */
    const char *host;           /* NULL: gethostname */
};

void config_options_init(struct config_options *options, const char *path);

/* Read and check a configuration and all that is wrong with it.
 * Returns 0 (the caller ends `*ret_config` with config_free; warnings may be
 * in the report), TJ_EINVAL (the report says why, at least one error) or
 * TJ_ENOMEM. */
int config_load(const struct config_options *options,
                struct config_report *report,
                struct config **ret_config);

/* The same for a main file whose text is already in memory; `options->path`
 * is its name, and conf.d is not looked at. */
int config_load_text(const struct config_options *options,
                     const char *text,
                     size_t size,
                     struct config_report *report,
                     struct config **ret_config);

/* NULL is a no-op. */
void config_free(struct config *config);

/* The job of that name, or NULL. */
const struct config_job *config_find_job(const struct config *config,
                                         const char *name);

/* The effective configuration with every default filled in, in the words of
 * the file: the printed JSON is itself a configuration that means the same
 * (unless a text has characters that JSON prints as they are and a file cannot
 * have: U+007F to U+009F, U+2028, U+2029, U+FEFF). NULL when out of memory. */
tj_json *config_to_json(const struct config *config);

#endif
