/* Files that are no text, no YAML, or more of YAML than a configuration has,
 * and to the letter what is said about them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config_support.h"

static const struct mistake mistakes[] = {
    /* a tab at the start */
    MISTAKE("jobs:\n"
            "\ta: {every: 1s, command: date}\n",
            "t.yaml:2:1: error: a tab is used for indentation\n"
            "     2 |         a: {every: 1s, command: date}\n"
            "       | ^~~~~~~~\n"
            "       = hint: indent with spaces\n"),
    /* a tab after spaces */
    MISTAKE("jobs:\n"
            "  a:\n"
            "  \tevery: 1s\n",
            "t.yaml:3:3: error: a tab is used for indentation\n"
            "     3 |         every: 1s\n"
            "       |   ^~~~~~\n"
            "       = hint: indent with spaces\n"),
    /* a tab after a value */
    MISTAKE("jobs:\n"
            "  a:\n"
            "    every: 1s\n"
            "\tcommand: x\n",
            "t.yaml:4:1: error: a tab is used for indentation\n"
            "     4 |         command: x\n"
            "       | ^~~~~~~~\n"
            "       = hint: indent with spaces\n"),
    /* unquoted stars */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    cron: * * * * *\n"
        "    command: [date]\n",
        "t.yaml:3:11: error: a text that is not quoted cannot start with '*'\n"
        "     3 |     cron: * * * * *\n"
        "       |           ^~~~~~~~~\n"
        "       = hint: quote a schedule that starts with '*': \"* * * * *\"\n"),
    /* unquoted stars and slashes */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    cron: */5 * * * *   # often\n",
        "t.yaml:3:11: error: a text that is not quoted cannot start with '*'\n"
        "     3 |     cron: */5 * * * *   # often\n"
        "       |           ^~~~~~~~~~~\n"
        "       = hint: quote a schedule that starts with '*': \"*/5 * * * *\"\n"),
    /* unquoted stars in brackets */
    MISTAKE(
        "jobs:\n"
        "  a: {cron: * * * * *, command: date}\n",
        "t.yaml:2:13: error: a text that is not quoted cannot start with '*'\n"
        "     2 |   a: {cron: * * * * *, command: date}\n"
        "       |             ^~~~~~~~~\n"
        "       = hint: quote a schedule that starts with '*': \"* * * * *\"\n"),
    /* unquoted @ */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    cron: @daily\n",
        "t.yaml:3:11: error: a text that is not quoted cannot start with '@'\n"
        "     3 |     cron: @daily\n"
        "       |           ^~~~~~\n"
        "       = hint: quote the whole text: \"@daily\"\n"),
    /* unquoted percent */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n"
        "    description: %x\n",
        "t.yaml:5:18: error: a text that is not quoted cannot start with '%'\n"
        "     5 |     description: %x\n"
        "       |                  ^~\n"
        "       = hint: quote the whole text: \"%x\"\n"),
    /* unquoted backquote */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    shell: `date`\n",
        "t.yaml:3:12: error: a text that is not quoted cannot start with '`'\n"
        "     3 |     shell: `date`\n"
        "       |            ^~~~~~\n"
        "       = hint: quote the whole text: \"`date`\"\n"),
    /* unquoted exclamation mark */
    MISTAKE(
        "jobs:\n"
        "  a: {every: 1s, shell: ! true}\n",
        "t.yaml:2:25: error: tags are not supported\n"
        "     2 |   a: {every: 1s, shell: ! true}\n"
        "       |                         ^~~~~~\n"
        "       = hint: leave it out: a key's type is known; quote a text that starts with '!'\n"),
    /* a test command */
    MISTAKE("jobs:\n"
            "  a:\n"
            "    every: 1s\n"
            "    shell: [ -f x ] && rm x\n",
            "t.yaml:4:21: error: unexpected '&' after the value\n"
            "     4 |     shell: [ -f x ] && rm x\n"
            "       |                     ^~~~~~~\n"
            "       = hint: quote the whole text: \"[ -f x ] && rm x\"\n"),
    /* a colon in a text */
    MISTAKE("jobs:\n"
            "  a:\n"
            "    every: 1s\n"
            "    shell: echo now: $(date)\n",
            "t.yaml:4:20: error: ': ' inside of a text that is not quoted\n"
            "     4 |     shell: echo now: $(date)\n"
            "       |                    ^\n"
            "       = hint: quote the whole text: \"echo now: $(date)\"\n"),
    /* text after quotes */
    MISTAKE("jobs:\n"
            "  a:\n"
            "    every: 1s\n"
            "    shell: \"date\" | cat\n",
            "t.yaml:4:21: error: unexpected text after the value\n"
            "     4 |     shell: \"date\" | cat\n"
            "       |                     ^\n"
            "       = hint: quote the whole text: '\"date\" | cat'\n"),
    /* a quote that stays open */
    MISTAKE("jobs:\n"
            "  a:\n"
            "    shell: \"date\n",
            "t.yaml:3:12: error: the quote that opens here is never closed\n"
            "     3 |     shell: \"date\n"
            "       |            ^\n"),
    /* an unknown escape */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    shell: \"grep '\\d'\"\n",
        "t.yaml:3:19: error: no such escape in double quotes\n"
        "     3 |     shell: \"grep '\\d'\"\n"
        "       |                   ^~\n"
        "       = hint: write \\\\ for a backslash, or use single quotes\n"),
    /* a bracket that stays open */
    MISTAKE("jobs:\n"
            "  a:\n"
            "    command: [date, -u\n"
            "    every: 1s\n",
            "t.yaml:3:14: error: the '[' that opens here is never closed\n"
            "     3 |     command: [date, -u\n"
            "       |              ^\n"
            "       = hint: add a ']', or a ',' before line 4\n"),
    /* a brace that stays open */
    MISTAKE("log: {dir: x\n"
            "jobs: {}\n",
            "t.yaml:1:6: error: the '{' that opens here is never closed\n"
            "     1 | log: {dir: x\n"
            "       |      ^\n"
            "       = hint: add a '}', or a ',' before line 2\n"),
    /* a comma forgotten */
    MISTAKE(
        "jobs:\n"
        "  a: {every: 1s, command: [\"a\" \"b\"]}\n",
        "t.yaml:2:32: error: expected ',' or ']'\n"
        "     2 |   a: {every: 1s, command: [\"a\" \"b\"]}\n"
        "       |                                ^\n"
        "       = hint: quote an element that has quotes, brackets or ': ' in it\n"),
    /* too little indentation */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "      every: 1s\n"
        "    command: date\n",
        "t.yaml:4:5: error: this line is indented like none of the maps above it\n"
        "     4 |     command: date\n"
        "       |     ^\n"
        "       = hint: the keys of one map start in one column\n"),
    /* too much indentation */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    every: 1s\n"
        "      command: date\n",
        "t.yaml:4:7: error: a key is not expected here\n"
        "     4 |       command: date\n"
        "       |       ^~~~~~~\n"
        "       = hint: indent it like the keys above it; and look at the line before it, where a ':' or a quote may be missing\n"),
    /* a list that breaks off */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    runners:\n"
        "      - {name: x, command: y}\n"
        "      name: z\n",
        "t.yaml:5:7: error: this line does not go on with the list above it\n"
        "     5 |       name: z\n"
        "       |       ^\n"
        "       = hint: every element starts with '- ', all in one column\n"),
    /* a line without a colon */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    every: 1s\n"
        "    command\n",
        "t.yaml:4:5: error: a ':' is missing after this\n"
        "     4 |     command\n"
        "       |     ^~~~~~~\n"
        "       = hint: a line is 'key: value', or '- element' in a list; indent a text of several lines deeper than its key\n"),
    /* a colon without a space */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    every:1s\n",
        "t.yaml:3:5: error: jobs.a: expected a map of keys, found a single value\n"
        "     3 |     every:1s\n"
        "       |     ^~~~~~~~\n"
        "       = hint: write 'key: value' with a space after the colon\n"),
    /* a list on its key's line */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    command: - date\n",
        "t.yaml:3:14: error: a list cannot start on the line of its key\n"
        "     3 |     command: - date\n"
        "       |              ^\n"
        "       = hint: put '- element' on the next line, or write [a, b]; quote a text that starts with '- '\n"),
    /* a block text with words on its line */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    shell: | date\n",
        "t.yaml:3:14: error: nothing can follow '|' or '>' on its line\n"
        "     3 |     shell: | date\n"
        "       |              ^\n"
        "       = hint: start the text on the next line; quote a text that starts with '|' or '>'\n"),
    /* a closing bracket too many */
    MISTAKE("jobs:\n"
            "  a:\n"
            "    command: ]\n",
            "t.yaml:3:14: error: a value is missing here\n"
            "     3 |     command: ]\n"
            "       |              ^\n"),
    /* an anchor */
    MISTAKE(
        "jobs:\n"
        "  a: &x {every: 1s, command: date}\n",
        "t.yaml:2:6: error: anchors ('&x') are not supported\n"
        "     2 |   a: &x {every: 1s, command: date}\n"
        "       |      ^~~~\n"
        "       = hint: write the value out; quote a text that starts with '&'\n"),
    /* an alias */
    MISTAKE(
        "jobs:\n"
        "  a: {every: *x, command: date}\n",
        "t.yaml:2:14: error: aliases ('*x') are not supported\n"
        "     2 |   a: {every: *x, command: date}\n"
        "       |              ^~\n"
        "       = hint: write the value out; quote a text that starts with '*'\n"),
    /* a tag */
    MISTAKE(
        "jobs:\n"
        "  a: {every: !!str 1s, command: date}\n",
        "t.yaml:2:14: error: tags are not supported\n"
        "     2 |   a: {every: !!str 1s, command: date}\n"
        "       |              ^~~~~~~~\n"
        "       = hint: leave it out: a key's type is known; quote a text that starts with '!'\n"),
    /* a merge key */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    <<: {every: 1s}\n"
        "    every: 1s\n"
        "    command: date\n",
        "t.yaml:3:5: error: unknown key '<<' in jobs.a\n"
        "     3 |     <<: {every: 1s}\n"
        "       |     ^~\n"
        "       = hint: merge keys are not supported: write the keys out\n"),
    /* a second document */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n"
        "---\n"
        "jobs: {}\n",
        "t.yaml:5:1: error: a second document begins here\n"
        "     5 | ---\n"
        "       | ^~~\n"
        "       = hint: put further jobs under the first 'jobs', or into a file in conf.d\n"),
    /* a complex key */
    MISTAKE("jobs:\n"
            "  [a]: {every: 1s, command: date}\n",
            "t.yaml:2:3: error: jobs: expected a single value, found a list\n"
            "     2 |   [a]: {every: 1s, command: date}\n"
            "       |   ^\n"
            "       = hint: quote a text that starts with '[', '{' or '- '\n"),
    /* a version directive of the future */
    MISTAKE("%YAML 3.0\n"
            "---\n"
            "jobs:\n"
            "  a:\n"
            "    every: 10s\n"
            "    command: [date]\n",
            "t.yaml:1:1: error: unknown version of YAML\n"
            "     1 | %YAML 3.0\n"
            "       | ^\n"
            "       = hint: leave the %YAML line out\n"),
    /* nested too deep */
    MISTAKE(
        "jobs: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n",
        "t.yaml:1:7: error: jobs: expected a map of keys, found a list\n"
        "     1 | jobs: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n"
        "       |       ^\n"
        "       = hint: write 'key: value' pairs, without '- ' or brackets\n"
        "t.yaml:1:38: error: nested deeper than 32 levels\n"
        "     1 | jobs: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n"
        "       |                                      ^\n"),
    /* an empty file */
    MISTAKE(
        "",
        "t.yaml:1:1: error: the file is empty\n"
        "       = hint: the least is: jobs: {hello: {every: 10s, command: [date]}}\n"),
    /* a file of comments */
    MISTAKE(
        "# nothing\n",
        "t.yaml:1:1: error: the file is empty\n"
        "       = hint: the least is: jobs: {hello: {every: 10s, command: [date]}}\n"),
    /* an empty document */
    MISTAKE(
        "---\n",
        "t.yaml:1:1: error: the file is empty\n"
        "       = hint: the least is: jobs: {hello: {every: 10s, command: [date]}}\n"),
    /* no map */
    MISTAKE("hello\n",
            "t.yaml:1:1: error: expected a map of keys, found a single value\n"
            "     1 | hello\n"
            "       | ^~~~~\n"
            "       = hint: write 'key: value' with a space after the colon\n"),
    /* no jobs */
    MISTAKE(
        "log: {dir: x}\n",
        "t.yaml:1:1: error: there is no 'jobs'\n"
        "     1 | log: {dir: x}\n"
        "       | ^\n"
        "       = hint: the least is: jobs: {hello: {every: 10s, command: [date]}}\n"),
    /* jobs without any */
    MISTAKE("jobs: {}\n",
            "t.yaml:1:1: warning: 'jobs' is empty: there is nothing to run\n"
            "     1 | jobs: {}\n"
            "       | ^~~~\n"),
    /* a NUL byte */
    MISTAKE("jobs: {a: \000}\n",
            "t.yaml:1:11: error: a NUL byte has no place in a configuration\n"
            "     1 | jobs: {a: \357\277\275}\n"
            "       |           ^\n"
            "       = hint: delete it\n"),
    /* a control character */
    MISTAKE(
        "jobs: {a: \033[31m}\n",
        "t.yaml:1:11: error: a control character has no place in a configuration\n"
        "     1 | jobs: {a: \357\277\275[31m}\n"
        "       |           ^\n"
        "       = hint: delete it; in double quotes it can be written as an escape, such as \\x1b\n"),
    /* Latin 1 */
    MISTAKE("# caf\351\n"
            "jobs: {}\n",
            "t.yaml:1:6: error: byte 0xe9 is not UTF-8\n"
            "     1 | # caf\357\277\275\n"
            "       |      ^\n"
            "       = hint: save the file as UTF-8\n"),
    /* UTF-16 */
    MISTAKE("\377\376j\000o\000b\000s\000:\000 \000{\000}\000\n"
            "\000",
            "t.yaml:1:1: error: the file is UTF-16, not UTF-8\n"
            "       = hint: save the file as UTF-8\n"),
    /* UTF-16 without its mark */
    MISTAKE("\000j\000o\000b\000s\000:\000 \000{\000}\000\n",
            "t.yaml:1:1: error: the file is UTF-16, not UTF-8\n"
            "       = hint: save the file as UTF-8\n"),
    /* a program */
    MISTAKE(
        "\177ELF\002\001\001\000\000\000\000\000\000\000\000\000\003\000>\000",
        "t.yaml:1:1: error: this is a binary file, not text\n"
        "       = hint: name a file with YAML text in it\n"),
    /* an invisible line separator */
    MISTAKE(
        "jobs:\342\200\250  a: b\n",
        "t.yaml:1:6: error: an invisible line separator has no place in a configuration\n"
        "     1 | jobs:\357\277\275  a: b\n"
        "       |      ^\n"
        "       = hint: delete it; in double quotes it can be written as an escape, such as \\x1b\n"),
    /* a byte order mark inside */
    MISTAKE(
        "jobs: \357\273\277{}\n",
        "t.yaml:1:7: error: a byte order mark in the middle of the text has no place in a configuration\n"
        "     1 | jobs: \357\277\275{}\n"
        "       |       ^\n"
        "       = hint: delete it; in double quotes it can be written as an escape, such as \\x1b\n"),
    /* NUL in an escape */
    MISTAKE("jobs: {a: {every: 1s, command: [\"a\\0b\"]}}\n",
            "t.yaml:1:33: error: a text cannot hold U+0000\n"
            "     1 | jobs: {a: {every: 1s, command: [\"a\\0b\"]}}\n"
            "       |                                 ^~~~~~\n"),
};

/* A person who made a slip of the pen sees where, and what to change. */
static void test_slip_is_told_with_place_and_hint(void **state)
{
    mistakes_check(mistakes, sizeof(mistakes) / sizeof(mistakes[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slip_is_told_with_place_and_hint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
