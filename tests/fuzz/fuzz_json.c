/* Whatever bytes: the reader refuses or reads them without a fault; what it
 * read prints as JSON that reads back and prints the same; and any bytes at
 * all, printed as a string, are JSON too. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds)
        abort();
}

/* Print, read back, print again: a fixed point. */
static void check_fixed_point(const tj_json *value)
{
    char *first, *second;
    size_t first_size, second_size;
    tj_json *back;

    check(tj_json_print(value, &first, &first_size) == 0);
    check(tj_json_parse(first, first_size, &back, NULL) == 0);
    check(tj_json_print(back, &second, &second_size) == 0);
    check(first_size == second_size && memcmp(first, second, first_size) == 0);
    tj_free(first);
    tj_free(second);
    tj_json_free(back);
}

static void check_string(const uint8_t *data, size_t size)
{
    tj_buf buf = TJ_BUF_INIT;
    tj_json *back = NULL;

    tj__json_write_bytes(&buf, (const char *)data, size);
    check(!buf.failed);
    check(tj_json_parse(buf.data, buf.size, &back, NULL) == 0);
    check(tj_json_type_of(back) == TJ_JSON_STRING);
    check_fixed_point(back);
    tj_json_free(back);
    tj__buf_done(&buf);
}

static void check_number(const uint8_t *data)
{
    char text[TJ_JSON_NUMBER_SIZE];
    double number;
    tj_json *back;
    size_t size;

    memcpy(&number, data, sizeof(number));
    size = tj__json_format_number(text, number);
    check(size == strlen(text) && size < sizeof(text));
    check(tj_json_parse(text, size, &back, NULL) == 0);
    if (strcmp(text, "null") != 0)
        check(tj_json_number_or(back, 0) == number);
    tj_json_free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tj_error error = TJ_ERROR_INIT;
    tj_json *value = NULL;
    tj_json *copy;

    if (tj_json_parse((const char *)data, size, &value, &error) == 0) {
        check_fixed_point(value);
        copy = tj_json_copy(value);
        tj_json_free(value);
        check_fixed_point(copy);
        tj_json_free(copy);
    } else {
        check(strncmp(error.message, "line ", 5) == 0);
    }
    check_string(data, size);
    if (size >= sizeof(double))
        check_number(data);
    return 0;
}
