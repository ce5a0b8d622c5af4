/* Any bytes as a configuration file: no crash, a report that can be printed,
 * an error whenever there is no configuration, and an effective configuration
 * that reads back as itself. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static int load(const char *text,
                size_t size,
                struct config_report *report,
                struct config **ret_config)
{
    static const struct config_options options = {
        .path = "/fuzz.yaml",
        .is_root = true,
        .host = "host",
    };

    return config_load_text(&options, text, size, report, ret_config);
}

/* What JSON prints as it is and a file cannot have; see config_to_json. */
static bool has_unreadable(const char *text)
{
    return strchr(text, 0x7f) || strstr(text, "\xe2\x80\xa8") ||
           strstr(text, "\xe2\x80\xa9") || strstr(text, "\xef\xbb\xbf") ||
           strstr(text, "\xef\xbf\xbe") || strstr(text, "\xef\xbf\xbf") ||
           strstr(text, "\xc2");
}

static char *effective(const struct config *config)
{
    tj_json *json = config_to_json(config);
    char *text = NULL;

    require(json != NULL);
    require(tj_json_print(json, &text, NULL) == 0);
    tj_json_free(json);
    return text;
}

static void check_round_trip(const struct config *config)
{
    struct config_report *report = config_report_new();
    struct config *again = NULL;
    char *text = effective(config);
    char *text_again;

    /* The cap on a file's size holds for what is printed as well. */
    if (!has_unreadable(text) && strlen(text) < CONFIG_FILE_SIZE_MAX) {
        require(load(text, strlen(text), report, &again) == 0);
        text_again = effective(again);
        require(strcmp(text, text_again) == 0);
        tj_free(text_again);
    }
    tj_free(text);
    config_free(again);
    config_report_free(report);
}

static void check_report(struct config_report *report)
{
    tj_json *json = config_report_to_json(report);
    tj_json *parsed = NULL;
    tj_buf printed = TJ_BUF_INIT;
    char *text = NULL;
    size_t size, at;

    config_report_print(report, &printed, /* colour= */ false);
    require(!printed.failed);
    for (at = 0; at < printed.size; at++)
        require(printed.data[at] == '\n' ||
                (unsigned char)printed.data[at] >= 0x20);
    require(tj_json_print(json, &text, &size) == 0);
    require(tj_json_parse(text, size, &parsed, NULL) == 0);
    tj_json_free(parsed);
    tj_free(text);
    tj_json_free(json);
    tj__buf_done(&printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_report *report = config_report_new();
    struct config *config = NULL;
    int code = load((const char *)data, size, report, &config);

    require((code == 0) == (config != NULL));
    require((code == 0) == (config_report_n_errors(report) == 0));
    check_report(report);
    if (config)
        check_round_trip(config);
    config_free(config);
    config_report_free(report);
    return 0;
}
