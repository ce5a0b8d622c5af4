/* See config_support.h. */
#include "config_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct config_options test_options(const char *path)
{
    struct config_options options = {
        .path = path,
        .is_root = true,
        .host = "test-host",
    };

    return options;
}

static struct loaded loaded_finish(struct loaded loaded)
{
    tj__buf_append_text(&loaded.text, "");
    config_report_print(loaded.report, &loaded.text, /* colour= */ false);
    assert_false(loaded.text.failed);
    assert_true((loaded.code == 0) == (loaded.config != NULL));
    assert_true((loaded.code == 0) ==
                (config_report_n_errors(loaded.report) == 0));
    return loaded;
}

struct loaded load_text(const char *text, size_t size)
{
    struct config_options options = test_options("t.yaml");
    struct loaded loaded = { .text = TJ_BUF_INIT };

    loaded.report = config_report_new();
    assert_non_null(loaded.report);
    loaded.code =
        config_load_text(&options, text, size, loaded.report, &loaded.config);
    return loaded_finish(loaded);
}

struct loaded load_string(const char *text)
{
    return load_text(text, strlen(text));
}

struct loaded load_path(const struct config_options *options)
{
    struct loaded loaded = { .text = TJ_BUF_INIT };

    loaded.report = config_report_new();
    assert_non_null(loaded.report);
    loaded.code = config_load(options, loaded.report, &loaded.config);
    return loaded_finish(loaded);
}

static void mistake_check(const struct mistake *mistake)
{
    struct loaded loaded = load_text(mistake->text, mistake->size);
    const char *byte;

    for (byte = loaded.text.data; *byte; byte++) {
        if ((unsigned char)*byte < 0x20 && *byte != '\n')
            fail_msg("line %d: a control character is printed", mistake->line);
    }
    if (strcmp(loaded.text.data, mistake->expected) != 0)
        fail_msg("line %d: printed is\n%s\nand not\n%s", mistake->line,
                 loaded.text.data, mistake->expected);
    loaded_done(&loaded);
}

void mistakes_check(const struct mistake *mistakes, size_t count)
{
    size_t at;

    for (at = 0; at < count; at++)
        mistake_check(&mistakes[at]);
}

void loaded_done(struct loaded *loaded)
{
    config_free(loaded->config);
    config_report_free(loaded->report);
    tj__buf_done(&loaded->text);
}
