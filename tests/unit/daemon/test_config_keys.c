/* The table of keys: sound in itself, and told in full by the manual. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config_support.h"
#include "daemon/config_table.h"
#include "daemon/config_value.h"

/* ---- the table ---------------------------------------------------------- */

static bool is_number(enum config_type type)
{
    return type == CONFIG_TYPE_DURATION || type == CONFIG_TYPE_DAYS ||
           type == CONFIG_TYPE_SIZE || type == CONFIG_TYPE_INTEGER;
}

/* A default that its own key would refuse could not be written down. */
static void test_every_default_is_readable(void **state)
{
    struct config_problem problem;
    int64_t number;
    size_t at;

    for (at = 0; at < CONFIG_KEY_MAX_; at++) {
        const struct config_key_info *key = &config_keys[at];

        if (!key->fallback || strstr(key->fallback, " of "))
            continue;
        if (is_number(key->type) &&
            !config_read_number(key, key->fallback, &number, &problem))
            fail_msg("%s: %s", key->word, problem.message);
        if (is_number(key->type))
            assert_true(key->low < key->high);
    }
}

/* Two keys of one name in one map could not be told apart. */
static void test_words_of_a_map_are_distinct(void **state)
{
    size_t at, other;

    for (at = 0; at < CONFIG_KEY_MAX_; at++) {
        assert_true(config_keys[at].word[0] != '\0');
        for (other = 0; other < at; other++) {
            if (config_keys[at].section == config_keys[other].section)
                assert_string_not_equal(config_keys[at].word,
                                        config_keys[other].word);
        }
    }
}

/* "Did you mean" must find the key that a slip of the hand was meant for. */
static void test_slips_are_understood(void **state)
{
    assert_string_equal(config_key_suggest(CONFIG_SECTION_JOB, "everi"),
                        "every");
    assert_string_equal(config_key_suggest(CONFIG_SECTION_JOB, "tiemout"),
                        "timeout");
    assert_string_equal(config_key_suggest(CONFIG_SECTION_LOG, "max-size"),
                        "max_size");
    assert_null(config_key_suggest(CONFIG_SECTION_JOB, "frobnicate"));
    assert_null(config_key_suggest(CONFIG_SECTION_JOB, ""));
}

/* ---- the manual --------------------------------------------------------- */

static const char *const titles[CONFIG_SECTION_MAX_] = {
    [CONFIG_SECTION_ROOT] = "## The file",
    [CONFIG_SECTION_LEASE] = "## lease",
    [CONFIG_SECTION_LOG] = "## log",
    [CONFIG_SECTION_CONTROL] = "## control",
    [CONFIG_SECTION_STOP] = "## stop",
    [CONFIG_SECTION_JOB] = "## A job",
    [CONFIG_SECTION_BUDGETS] = "## budgets",
    [CONFIG_SECTION_RUNNER] = "## A runner",
};

static void append_words(const struct config_key_info *key, tj_buf *text)
{
    const char *at = key->words;
    size_t size;

    while (at && *at) {
        size = strcspn(at, "=");
        tj__buf_append_text(text, ", ");
        tj__buf_append(text, at, size);
        at = strchr(at, ',');
        at = at ? at + 1 : NULL;
    }
}

static const char *type_name(enum config_type type)
{
    switch (type) {
    case CONFIG_TYPE_DURATION:
        return "duration";
    case CONFIG_TYPE_DAYS:
        return "days";
    case CONFIG_TYPE_SIZE:
        return "size";
    case CONFIG_TYPE_INTEGER:
        return "number";
    case CONFIG_TYPE_BOOL:
        return "true or false";
    case CONFIG_TYPE_ENUM:
        return "one of";
    case CONFIG_TYPE_NAME:
        return "name";
    case CONFIG_TYPE_TEXT:
    case CONFIG_TYPE_SHELL:
        return "text";
    case CONFIG_TYPE_PATH:
        return "path";
    case CONFIG_TYPE_BACKEND:
        return "backend";
    case CONFIG_TYPE_COMMAND:
        return "list of texts";
    case CONFIG_TYPE_ENV:
        return "map of texts";
    case CONFIG_TYPE_SECTION:
        return "map";
    case CONFIG_TYPE_RUNNERS:
        return "list of runners";
    case CONFIG_TYPE_JOBS:
        return "map of jobs";
    case CONFIG_TYPE_LATER:
        break;
    }
    return "";
}

/* "*duration*: duration (100ms to 1h), default 6s" */
static void print_line(const struct config_key_info *key, tj_buf *text)
{
    struct config_key_info without_words = *key;

    without_words.words = NULL;
    tj__buf_printf(text, "\n*%s*: %s", key->word, type_name(key->type));
    if (is_number(key->type)) {
        tj__buf_append_text(text, " (");
        config_print_number(&without_words, key->low, text);
        tj__buf_append_text(text, " to ");
        config_print_number(&without_words, key->high, text);
        append_words(key, text);
        tj__buf_append_char(text, ')');
    } else if (key->type == CONFIG_TYPE_ENUM) {
        tj__buf_printf(text, " %s", key->words);
    }
    if (key->fallback)
        tj__buf_printf(text, ", default %s", key->fallback);
    tj__buf_append_char(text, '\n');
}

static char *read_manual(void)
{
    FILE *file = fopen(MAN_PAGE, "r");
    char *text = calloc(1, 1 << 18);
    size_t size;

    assert_non_null(file);
    assert_non_null(text);
    size = fread(text, 1, (1 << 18) - 1, file);
    assert_true(size > 0 && size < (1 << 18) - 1);
    fclose(file);
    return text;
}

/* The part of the manual about one map. */
static char *manual_section(const char *manual, enum config_section section)
{
    char title[64];
    const char *start, *end;

    snprintf(title, sizeof(title), "\n%s\n", titles[section]);
    start = strstr(manual, title);
    if (!start)
        fail_msg("the manual has no '%s'", titles[section]);
    end = strstr(start + strlen(title), "\n#");
    return end ? strndup(start, (size_t)(end + 1 - start)) : strdup(start);
}

/* Lines of a section that tell a key. */
static size_t count_keys(const char *section)
{
    const char *at = section;
    size_t count = 0;

    while ((at = strstr(at, "\n*"))) {
        at += 2;
        count += strncmp(at + strcspn(at, "*\n"), "*: ", 3) == 0;
    }
    return count;
}

/* A person who reads the manual reads the truth: every key with its type, its
 * range and its default as the program has them, and no other. */
static void test_manual_has_every_key_and_no_other(void **state)
{
    char *manual = read_manual();
    enum config_section section;
    size_t at;

    for (section = 0; section < CONFIG_SECTION_MAX_; section++) {
        struct config_key_range range = config_section_keys(section);
        char *part = manual_section(manual, section);
        tj_buf later = TJ_BUF_INIT;
        size_t told = 0;

        for (at = range.first; at < range.first + range.count; at++) {
            tj_buf line = TJ_BUF_INIT;

            if (config_keys[at].type == CONFIG_TYPE_LATER) {
                tj__buf_append_text(&later, later.size ? ", "
                                                       : "\nNot in this "
                                                         "version: ");
                tj__buf_append_text(&later, config_keys[at].word);
                continue;
            }
            print_line(&config_keys[at], &line);
            if (!strstr(part, line.data))
                fail_msg("'%s' of the manual lacks the line:%s",
                         titles[section], line.data);
            told++;
            tj__buf_done(&line);
        }
        assert_int_equal(count_keys(part), told);
        tj__buf_append_text(&later, later.size ? ".\n" : "");
        if (!strstr(part, later.data))
            fail_msg("'%s' of the manual lacks the line:%s", titles[section],
                     later.data);
        tj__buf_done(&later);
        free(part);
    }
    free(manual);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_default_is_readable),
        cmocka_unit_test(test_words_of_a_map_are_distinct),
        cmocka_unit_test(test_slips_are_understood),
        cmocka_unit_test(test_manual_has_every_key_and_no_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
