/* What a command is told about its run: TIMED_JOBS_* variables, and the same
 * as one JSON object on standard input. */
#ifndef TJ_RUNNERS_CONTEXT_H
#define TJ_RUNNERS_CONTEXT_H

#include <stddef.h>
#include <stdint.h>

#include <timedjobs/runner.h>

/* What is not in the tick's context. */
typedef struct tj_command_context {
    const tj_tick_context *tick;
    const char *run_id;
    int64_t deadline_ms; /* of the lease, Unix milliseconds; 0: none */
    int64_t timeout_ms;  /* 0: none */
} tj_command_context;

/* Make the whole environment, NULL-terminated: the run's own variables, a few
 * of this process's (PATH, HOME, LANG, USER, TZ), and `extra` ("NAME=value",
 * NULL-terminated or NULL), which replace these but not those. Returns NULL
 * when out of memory; end it with tj__context_env_free. */
char **tj__context_env(const tj_command_context *context,
                       const char *const *extra);
void tj__context_env_free(char **env);

/* Make a descriptor from which the JSON object can be read: memory, so that
 * neither side ever waits for the other. Returns it, or -1 with `reterr`. */
int tj__context_stdin(const tj_command_context *context, tj_error *reterr);

#endif
