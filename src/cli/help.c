/* Help, from the tables. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cli/cli.h"
#include "cli/output.h"

void cli_append_overview(tj_buf *out)
{
    size_t at;

    tj__buf_append_text(
        out, "timed-jobs runs timed jobs on exactly one machine of a fleet.\n\n"
             "usage: timed-jobs COMMAND [OPTION...] [ARGUMENT]\n\n"
             "commands:\n");
    for (at = 0; at < cli_n_commands; at++) {
        const cli_command *command = &cli_commands[at];
        char usage[32];

        if (command->is_hidden)
            continue;
        snprintf(usage, sizeof(usage), "%s%s%s", command->name,
                 command->argument_name ? " " : "",
                 command->argument_name ? command->argument_name : "");
        tj__buf_printf(out, "  %-12s%s\n", usage, command->summary);
    }
    tj__buf_append_text(
        out, "\n`timed-jobs COMMAND --help` tells more about one of them,\n"
             "`timed-jobs --version` the version.\n\n"
             "exit status:\n"
             "  0  done\n"
             "  1  tried, and failed\n"
             "  2  the command line or the configuration is wrong\n"
             "  3  no daemon answers\n"
             "  4  refused or skipped: not the leader, paused, busy, not "
             "permitted\n");
}

static void append_option(tj_buf *out, const cli_option *option)
{
    char letter[8] = "    ";
    char usage[40];

    if (option->letter)
        snprintf(letter, sizeof(letter), "-%c, ", option->letter);
    snprintf(usage, sizeof(usage), "--%s%s%s", option->name,
             option->value_name ? " " : "",
             option->value_name ? option->value_name : "");
    if (strlen(usage) <= 18)
        tj__buf_printf(out, "  %s%-19s%s\n", letter, usage, option->help);
    else
        tj__buf_printf(out, "  %s%s\n%25s%s\n", letter, usage, "",
                       option->help);
}

/* Every line of `text` with two blanks before it. */
static void append_indented(tj_buf *out, const char *text)
{
    while (*text) {
        size_t size = strcspn(text, "\n");

        tj__buf_printf(out, "  %.*s\n", (int)size, text);
        text += size + (text[size] ? 1 : 0);
    }
}

void cli_append_help(tj_buf *out, const cli_command *command)
{
    int id;

    tj__buf_printf(out, "usage: timed-jobs %s%s%s [OPTION...]\n\n",
                   command->name, command->argument_name ? " " : "",
                   command->argument_name ? command->argument_name : "");
    tj__buf_printf(out, "%c%s.\n", command->summary[0] - ('a' - 'A'),
                   command->summary + 1);
    if (command->text)
        tj__buf_printf(out, "\n%s\n", command->text);
    tj__buf_append_text(out, "\noptions:\n");
    for (id = 0; id < CLI_OPTION_MAX_; id++) {
        if (cli_takes(command, (cli_option_id)id))
            append_option(out, &cli_options[id]);
    }
    tj__buf_append_text(out, "\nexamples:\n");
    append_indented(out, command->examples);
}
