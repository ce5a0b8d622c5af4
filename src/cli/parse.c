/* Reading a command line by the tables. Options may stand anywhere behind the
 * command, as "--name value", "--name=value", "-n value", "-nvalue", "-fn5";
 * "--" ends them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/output.h"

typedef struct cli_parser {
    int argc;
    char **argv;
    int at;
    cli_call *call;
} cli_parser;

bool cli_takes(const cli_command *command, cli_option_id id)
{
    return (command->options >> id) & 1;
}

const cli_command *cli_find_command(const char *first, const char *second)
{
    const cli_command *found = NULL;
    size_t at;

    for (at = 0; at < cli_n_commands; at++) {
        const char *name = cli_commands[at].name;
        size_t size = strlen(first);

        if (strcmp(name, first) == 0 && !found)
            found = &cli_commands[at];
        if (second && strncmp(name, first, size) == 0 && name[size] == ' ' &&
            strcmp(name + size + 1, second) == 0)
            found = &cli_commands[at];
    }
    return found;
}

/* ---- what is wrong ----------------------------------------------------- */

static int unknown_command(const char *word)
{
    const char *nearest = NULL;
    size_t best = 4;
    size_t at;

    for (at = 0; at < cli_n_commands; at++) {
        size_t distance = tj__text_distance(word, cli_commands[at].name, 3);

        if (!cli_commands[at].is_hidden && distance < best &&
            distance < strlen(word)) {
            best = distance;
            nearest = cli_commands[at].name;
        }
    }
    if (nearest)
        cli_error("there is no command '%s'; did you mean '%s'?", word,
                  nearest);
    else
        cli_error("there is no command '%s'; see timed-jobs --help", word);
    return CLI_USAGE;
}

static int
unknown_option(const cli_command *command, const char *name, size_t size)
{
    const char *nearest = NULL;
    char word[64];
    size_t best = 4;
    int id;

    snprintf(word, sizeof(word), "%.*s", (int)(size > 60 ? 60 : size), name);
    for (id = 0; id < CLI_OPTION_MAX_; id++) {
        size_t distance = tj__text_distance(word, cli_options[id].name, 3);

        if (cli_takes(command, (cli_option_id)id) && distance < best &&
            distance < strlen(word)) {
            best = distance;
            nearest = cli_options[id].name;
        }
    }
    if (nearest)
        cli_error("%s has no option '--%s'; did you mean '--%s'?",
                  command->name, word, nearest);
    else
        cli_error("%s has no option '--%s'; see timed-jobs %s --help",
                  command->name, word, command->name);
    return CLI_USAGE;
}

/* ---- options ----------------------------------------------------------- */

static int option_set(cli_parser *parser, cli_option_id id, const char *value)
{
    if (parser->call->values[id] && cli_options[id].value != CLI_VALUE_NONE) {
        cli_error("--%s is given twice", cli_options[id].name);
        return CLI_USAGE;
    }
    parser->call->values[id] = value;
    return CLI_OK;
}

/* Take the value from the rest of the word, or else from the next one. */
static int
option_set_value(cli_parser *parser, cli_option_id id, const char *rest)
{
    if (!rest && parser->at < parser->argc)
        rest = parser->argv[parser->at++];
    if (!rest) {
        cli_error("--%s wants a value: --%s %s", cli_options[id].name,
                  cli_options[id].name, cli_options[id].value_name);
        return CLI_USAGE;
    }
    return option_set(parser, id, rest);
}

static int long_option(cli_parser *parser, const char *word)
{
    const cli_command *command = parser->call->command;
    const char *equals = strchr(word, '=');
    size_t size = equals ? (size_t)(equals - word) : strlen(word);
    int id;

    for (id = 0; id < CLI_OPTION_MAX_; id++) {
        if (cli_takes(command, (cli_option_id)id) &&
            strlen(cli_options[id].name) == size &&
            memcmp(cli_options[id].name, word, size) == 0)
            break;
    }
    if (id == CLI_OPTION_MAX_)
        return unknown_option(command, word, size);
    if (cli_options[id].value != CLI_VALUE_NONE)
        return option_set_value(parser, (cli_option_id)id,
                                equals ? equals + 1 : NULL);
    if (equals) {
        cli_error("--%s takes no value", cli_options[id].name);
        return CLI_USAGE;
    }
    return option_set(parser, (cli_option_id)id, "");
}

static int short_options(cli_parser *parser, const char *letters)
{
    const cli_command *command = parser->call->command;
    int code = CLI_OK;

    while (*letters && !code) {
        char letter = *letters++;
        int id;

        for (id = 0; id < CLI_OPTION_MAX_; id++) {
            if (cli_takes(command, (cli_option_id)id) &&
                cli_options[id].letter == letter)
                break;
        }
        if (id == CLI_OPTION_MAX_) {
            cli_error("%s has no option '-%c'; see timed-jobs %s --help",
                      command->name, letter, command->name);
            return CLI_USAGE;
        }
        if (cli_options[id].value == CLI_VALUE_NONE) {
            code = option_set(parser, (cli_option_id)id, "");
        } else {
            code = option_set_value(parser, (cli_option_id)id,
                                    *letters ? letters : NULL);
            letters = "";
        }
    }
    return code;
}

static int argument_set(cli_parser *parser, const char *word)
{
    const cli_command *command = parser->call->command;

    if (command->argument == CLI_VALUE_NONE) {
        cli_error("%s takes no argument: '%s'", command->name, word);
        return CLI_USAGE;
    }
    if (parser->call->argument) {
        cli_error("%s takes one %s, not also '%s'", command->name,
                  command->argument_name, word);
        return CLI_USAGE;
    }
    parser->call->argument = word;
    return CLI_OK;
}

static int parse_words(cli_parser *parser)
{
    bool is_over = false;
    int code = CLI_OK;

    while (!code && parser->at < parser->argc) {
        const char *word = parser->argv[parser->at++];

        if (is_over || word[0] != '-' || !word[1])
            code = argument_set(parser, word);
        else if (strcmp(word, "--") == 0)
            is_over = true;
        else if (word[1] == '-')
            code = long_option(parser, word + 2);
        else
            code = short_options(parser, word + 1);
    }
    return code;
}

static int color_set(cli_call *call)
{
    const char *when = call->values[CLI_COLOR];

    if (!when || strcmp(when, "auto") == 0) {
        const char *no_color = secure_getenv("NO_COLOR");
        const char *term = secure_getenv("TERM");

        call->has_color = isatty(STDOUT_FILENO) && !(no_color && *no_color) &&
                          !(term && strcmp(term, "dumb") == 0);
    } else if (strcmp(when, "always") == 0) {
        call->has_color = true;
    } else if (strcmp(when, "never") != 0) {
        cli_error("--color is auto, always or never, not '%s'", when);
        return CLI_USAGE;
    }
    return CLI_OK;
}

/* ---- the whole --------------------------------------------------------- */

/* The words before the options; the parser then stands behind them. */
static int
parse_command(cli_parser *parser, bool *ret_overview, bool *ret_version)
{
    const char *first = parser->argc > 1 ? parser->argv[1] : NULL;
    bool is_help = first && strcmp(first, "help") == 0;
    tj_buf overview = TJ_BUF_INIT;
    const char *second;

    parser->at = 2;
    if (is_help && parser->argc > 2) {
        first = parser->argv[2];
        parser->at = 3;
    }
    if (!first) {
        cli_append_overview(&overview);
        cli_write_error(&overview);
        return CLI_USAGE;
    }
    *ret_overview = !strcmp(first, "help") || !strcmp(first, "--help") ||
                    !strcmp(first, "-h");
    *ret_version = !strcmp(first, "--version") || !strcmp(first, "-V");
    if (*ret_overview || *ret_version)
        return CLI_OK;
    if (first[0] == '-') {
        cli_error("a command comes before the options; see timed-jobs --help");
        return CLI_USAGE;
    }
    second = parser->at < parser->argc ? parser->argv[parser->at] : NULL;
    parser->call->command = cli_find_command(first, second);
    if (!parser->call->command)
        return unknown_command(first);
    if (strchr(parser->call->command->name, ' '))
        parser->at++;
    if (is_help)
        parser->call->values[CLI_HELP] = "";
    return CLI_OK;
}

int cli_parse(int argc,
              char **argv,
              cli_call *call,
              bool *ret_overview,
              bool *ret_version)
{
    cli_parser parser = { .argc = argc, .argv = argv, .call = call };
    int code;

    memset(call, 0, sizeof(*call));
    *ret_overview = false;
    *ret_version = false;
    code = parse_command(&parser, ret_overview, ret_version);
    if (code || !call->command)
        return code;
    code = parse_words(&parser);
    if (!code)
        code = color_set(call);
    if (code || call->values[CLI_HELP])
        return code;
    call->is_json = call->values[CLI_JSON] != NULL;
    if (call->command->argument != CLI_VALUE_NONE && !call->argument) {
        cli_error("%s wants a %s: timed-jobs %s %s", call->command->name,
                  call->command->argument_name, call->command->name,
                  call->command->argument_name);
        return CLI_USAGE;
    }
    return CLI_OK;
}
