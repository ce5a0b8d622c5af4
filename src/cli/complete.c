/* Completion for shells, from the same tables as everything else. The shell
 * function hands over the words and gets candidates, one a line; file names
 * it completes itself when it is told "@file" or "@directory". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/output.h"

/* A daemon that hangs must not make the shell hang. */
#define COMPLETE_TIMEOUT_MS 200

typedef struct cli_completion {
    const char *word; /* that is being completed */
    const char *socket_path;
} cli_completion;

static void offer(const cli_completion *completion, const char *candidate)
{
    if (strncmp(candidate, completion->word, strlen(completion->word)) == 0)
        puts(candidate);
}

static void offer_jobs(const cli_completion *completion)
{
    control_client *client =
        cli_connect_quietly(completion->socket_path, COMPLETE_TIMEOUT_MS);
    control_answer answer = { 0 };
    const tj_json *jobs;
    size_t at;

    if (!client)
        return;
    if (control_client_call(client, "GET", "/v1/jobs", NULL,
                            COMPLETE_TIMEOUT_MS, &answer, NULL) == 0) {
        jobs = tj_json_get(answer.json, "jobs");
        for (at = 0; at < tj_json_size(jobs); at++)
            offer(completion,
                  tj_json_string_or(tj_json_get(tj_json_at(jobs, at), "name"),
                                    ""));
        control_answer_done(&answer);
    }
    control_client_free(client);
}

static void offer_values(const cli_completion *completion, cli_value value)
{
    switch (value) {
    case CLI_VALUE_FILE:
        puts("@file");
        break;
    case CLI_VALUE_DIRECTORY:
        puts("@directory");
        break;
    case CLI_VALUE_JOB:
        offer_jobs(completion);
        break;
    case CLI_VALUE_COLOR:
        offer(completion, "auto");
        offer(completion, "always");
        offer(completion, "never");
        break;
    case CLI_VALUE_NONE:
    case CLI_VALUE_TEXT:
    default:
        break;
    }
}

static void offer_options(const cli_completion *completion,
                          const cli_command *command)
{
    char text[32];
    int id;

    for (id = 0; id < CLI_OPTION_MAX_; id++) {
        if (!cli_takes(command, (cli_option_id)id))
            continue;
        snprintf(text, sizeof(text), "--%s", cli_options[id].name);
        offer(completion, text);
    }
}

static void offer_commands(const cli_completion *completion)
{
    size_t at;

    for (at = 0; at < cli_n_commands; at++) {
        if (!cli_commands[at].is_hidden)
            offer(completion, cli_commands[at].name);
    }
    offer(completion, "help");
    offer(completion, "--help");
    offer(completion, "--version");
}

/* The option of this word, when its value is the next word; else NULL. */
static const cli_option *option_with_value(const cli_command *command,
                                           const char *word)
{
    int id;

    for (id = 0; id < CLI_OPTION_MAX_; id++) {
        const cli_option *option = &cli_options[id];

        if (!cli_takes(command, (cli_option_id)id) ||
            option->value == CLI_VALUE_NONE)
            continue;
        if ((word[0] == '-' && word[1] == '-' &&
             strcmp(word + 2, option->name) == 0) ||
            (option->letter && word[0] == '-' && word[1] == option->letter &&
             !word[2]))
            return option;
    }
    return NULL;
}

/* Walk over the words before the one in question: what are they? */
static void complete_word(cli_completion *completion,
                          const cli_command *command,
                          char **words,
                          int n_words)
{
    bool has_argument = false;
    int at;

    for (at = 0; at < n_words; at++) {
        const cli_option *option = option_with_value(command, words[at]);

        if (option && at + 1 == n_words) {
            offer_values(completion, option->value);
            return;
        }
        if (option == &cli_options[CLI_SOCKET])
            completion->socket_path = words[at + 1];
        if (option)
            at++;
        else if (words[at][0] != '-')
            has_argument = true;
    }
    if (completion->word[0] == '-')
        offer_options(completion, command);
    else if (!has_argument)
        offer_values(completion, command->argument);
}

int cli_complete(int argc, char **argv)
{
    /* argv: timed-jobs __complete INDEX timed-jobs WORD... */
    int index = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 0;
    int n_words = argc - 3;
    char **words = argv + 3;
    cli_completion completion = { .word = "" };
    const cli_command *command;

    if (index < 1 || n_words < 1 || index > n_words)
        return CLI_USAGE;
    if (index < n_words)
        completion.word = words[index];
    if (index == 1 || (index == 2 && strcmp(words[1], "help") == 0)) {
        offer_commands(&completion);
        return CLI_OK;
    }
    command = cli_find_command(words[1], index > 2 ? words[2] : NULL);
    if (!command)
        return CLI_OK;
    if (strchr(command->name, ' '))
        complete_word(&completion, command, words + 3, index - 3);
    else
        complete_word(&completion, command, words + 2, index - 2);
    return CLI_OK;
}

int cli_list_options(void)
{
    size_t at;
    int id;

    for (at = 0; at < cli_n_commands; at++) {
        printf("%s\n", cli_commands[at].name);
        for (id = 0; id < CLI_OPTION_MAX_; id++) {
            if (!cli_takes(&cli_commands[at], (cli_option_id)id))
                continue;
            printf("%s --%s", cli_commands[at].name, cli_options[id].name);
            if (cli_options[id].letter)
                printf(" -%c", cli_options[id].letter);
            putchar('\n');
        }
    }
    return CLI_OK;
}
