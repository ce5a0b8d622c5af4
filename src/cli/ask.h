/* Asking the daemon: where it is, what it said, and which exit status that
 * makes. */
#ifndef CLI_ASK_H
#define CLI_ASK_H

#include "base/buf.h"
#include "cli/cli.h"
#include "control/client.h"

/* Append one argument to the query of a target: "?a=b", then "&c=d". */
void cli_add_query(tj_buf *target, const char *name, const char *value);
/* Append text as one segment of a path. */
void cli_add_segment(tj_buf *target, const char *text);

/* Connect to the daemon that the command line means. CLI_OK, or an exit
 * status after saying what is wrong. */
int cli_connect(const cli_call *call, control_client **ret_client);

/* The same without a word, for completion; NULL when there is none. */
control_client *cli_connect_quietly(const char *socket_path,
                                    int64_t timeout_ms);

/* Connect, ask, and disconnect. CLI_OK with a 2xx answer, which the caller
 * ends; or an exit status after saying what is wrong, as JSON too if that is
 * wanted. `args` becomes the body; NULL: none; it is taken. */
int cli_ask(const cli_call *call,
            const char *method,
            const char *target,
            tj_json *take_args,
            int64_t timeout_ms,
            control_answer *ret_answer);

/* Say why an answer is an error; returns the exit status for it. */
int cli_refused(const cli_call *call, const control_answer *answer);
int cli_unreachable(const cli_call *call, int code, const tj_error *error);

/* Print the answer as JSON. */
int cli_print_answer(const control_answer *answer);

#define CLI_TIMEOUT_MS 10000

#endif
