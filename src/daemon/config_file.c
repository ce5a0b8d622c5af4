/* See config_file.h. */
#include "daemon/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "daemon/config_report.h"

/* ---- reading ------------------------------------------------------------ */

static int refuse_errno(struct config_report *report,
                        uint32_t file,
                        int errno_value,
                        const char *what)
{
    struct config_mark mark = { .file = file };
    const char *hint = NULL;
    char text[128];

    if (errno_value == ENOENT)
        hint = "check the path; timed-jobs.conf(5) says what goes into the "
               "file";
    else if (errno_value == EACCES)
        hint = "the user that runs timed-jobs must be able to read it";
    config_report_add(report, CONFIG_ERROR, mark, hint, "%s: %s", what,
                      strerror_r(errno_value, text, sizeof(text)));
    return TJ_EINVAL;
}

static int
refuse_kind(struct config_report *report, uint32_t file, const char *what)
{
    struct config_mark mark = { .file = file };

    config_report_add(report, CONFIG_ERROR, mark,
                      "name a file with YAML text in it", "this is %s", what);
    return TJ_EINVAL;
}

static int check_kind(struct config_report *report,
                      uint32_t file,
                      const struct stat *status,
                      bool only_regular)
{
    struct config_mark mark = { .file = file };

    if (S_ISDIR(status->st_mode))
        return refuse_kind(report, file, "a directory");
    if (S_ISBLK(status->st_mode))
        return refuse_kind(report, file, "a disk");
    if (S_ISREG(status->st_mode)) {
        if (status->st_mode & S_IWOTH)
            config_report_add(report, CONFIG_WARNING, mark,
                              "chmod o-w, or anybody can have commands run "
                              "here",
                              "everybody on this machine may write this file");
        return 0;
    }
    if (only_regular)
        return refuse_kind(report, file, "not a regular file");
    return 0;
}

static int read_all(int fd, tj_buf *text, int *ret_errno)
{
    ssize_t size;

    /* One byte more than allowed tells "too big" from "just right". */
    while (text->size <= CONFIG_FILE_SIZE_MAX) {
        if (!tj__buf_reserve(text, 65536))
            return TJ_ENOMEM;
        size = read(fd, text->data + text->size, 65536);
        if (size == 0)
            return 0;
        if (size < 0 && errno != EINTR) {
            *ret_errno = errno;
            return TJ_EIO;
        }
        if (size > 0)
            text->size += (size_t)size;
    }
    return TJ_ETOOBIG;
}

static int read_open_file(struct config_report *report, uint32_t file, int fd)
{
    struct config_mark mark = { .file = file };
    tj_buf text = TJ_BUF_INIT;
    int errno_value = 0;
    int code = read_all(fd, &text, &errno_value);
    size_t size;
    char *data;

    if (code == TJ_EIO)
        code = refuse_errno(report, file, errno_value, "cannot be read");
    if (code == TJ_ETOOBIG) {
        config_report_add(
            report, CONFIG_ERROR, mark, "spread the jobs over files in conf.d",
            "the file is bigger than %u MB", CONFIG_FILE_SIZE_MAX >> 20);
        code = TJ_EINVAL;
    }
    if (!code) {
        data = tj__buf_take(&text, &size);
        if (!data)
            return TJ_ENOMEM;
        config_report_take_text(report, file, data, size);
    }
    tj__buf_done(&text);
    return code;
}

int config_file_read(struct config_report *report,
                     uint32_t file,
                     const char *path,
                     bool only_regular)
{
    /* Not blocking, so that a pipe in conf.d which nobody writes to cannot
     * stop us; as the main file a pipe is waited for below. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat status;
    int code;

    if (fd < 0)
        return refuse_errno(report, file, errno, "cannot be opened");
    if (fstat(fd, &status) || fcntl(fd, F_SETFL, 0) < 0)
        code = refuse_errno(report, file, errno, "cannot be read");
    else
        code = check_kind(report, file, &status, only_regular);
    if (!code)
        code = read_open_file(report, file, fd);
    (void)close(fd);
    return code;
}

/* ---- checking ----------------------------------------------------------- */

enum { SAMPLE = 512 };

static bool has_prefix(const char *text,
                       size_t size,
                       const char *prefix,
                       size_t prefix_size)
{
    return size >= prefix_size && memcmp(text, prefix, prefix_size) == 0;
}

/* Text in UTF-16 has a byte order mark, or a NUL in every other byte. */
static bool looks_like_utf16(const char *text, size_t size)
{
    size_t at, zeros[2] = { 0, 0 };

    if (has_prefix(text, size, "\xff\xfe", 2) ||
        has_prefix(text, size, "\xfe\xff", 2))
        return true;
    if (size > SAMPLE)
        size = SAMPLE;
    for (at = 0; at < size; at++)
        zeros[at % 2] += text[at] == '\0';
    return size >= 4 && zeros[0] + zeros[1] >= size / 2 - size / 8 &&
           (zeros[0] == 0 || zeros[1] == 0);
}

static bool is_text_control(unsigned char byte)
{
    return byte == '\t' || byte == '\n' || byte == '\r';
}

/* Programs, databases and archives: many bytes that text does not have. */
static bool looks_binary(const char *text, size_t size)
{
    size_t at, strange = 0;

    if (size > SAMPLE)
        size = SAMPLE;
    for (at = 0; at < size; at++) {
        unsigned char byte = (unsigned char)text[at];

        strange += byte == 0x7f || (byte < 0x20 && !is_text_control(byte));
    }
    return strange > 2 && strange * 20 > size;
}

/* The bytes of the UTF-8 character at `text`, 0 if it is malformed. */
static size_t character_size(const unsigned char *text, size_t size)
{
    size_t length, at;

    if (text[0] < 0x80)
        return 1;
    if (text[0] < 0xc2 || text[0] > 0xf4)
        return 0;
    length = text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
    if (length > size)
        return 0;
    for (at = 1; at < length; at++) {
        if ((text[at] & 0xc0) != 0x80)
            return 0;
    }
    if ((text[0] == 0xe0 && text[1] < 0xa0) ||
        (text[0] == 0xed && text[1] > 0x9f) ||
        (text[0] == 0xf0 && text[1] < 0x90) ||
        (text[0] == 0xf4 && text[1] > 0x8f))
        return 0;
    return length;
}

/* A well-formed character that no configuration needs, or that counts as a
 * line's end for libyaml and for nobody else; NULL when it is fine. */
static const char *forbidden(const unsigned char *text, size_t length)
{
    if (length == 1 &&
        (text[0] == 0x7f || (text[0] < 0x20 && !is_text_control(text[0]))))
        return text[0] ? "a control character" : "a NUL byte";
    if (length == 2 && text[0] == 0xc2 && text[1] < 0xa0)
        return "a control character";
    if (length == 3 && text[0] == 0xe2 && text[1] == 0x80 &&
        (text[2] == 0xa8 || text[2] == 0xa9))
        return "an invisible line separator";
    if (length == 3 && text[0] == 0xef && text[1] == 0xbb && text[2] == 0xbf)
        return "a byte order mark in the middle of the text";
    if (length == 3 && text[0] == 0xef && text[1] == 0xbf && text[2] >= 0xbe)
        return "a character that Unicode does not have";
    return NULL;
}

/* Lines end as in config_text_line. */
static struct config_mark mark_of(uint32_t file, const char *text, size_t at)
{
    struct config_mark mark = { file, 1, 1, 1 };
    size_t i;

    for (i = 0; i < at; i++) {
        if (text[i] == '\n' || (text[i] == '\r' && text[i + 1] != '\n')) {
            mark.line++;
            mark.column = 1;
        } else if (((unsigned char)text[i] & 0xc0) != 0x80) {
            mark.column++;
        }
    }
    return mark;
}

static int refuse_byte(struct config_report *report,
                       uint32_t file,
                       const struct config_source *source,
                       size_t at,
                       const char *what)
{
    struct config_mark mark = mark_of(file, source->text, at);
    const unsigned char *byte = (const unsigned char *)source->text + at;

    if (what)
        config_report_add(report, CONFIG_ERROR, mark,
                          *byte ? "delete it; in double quotes it can be "
                                  "written as an escape, such as \\x1b"
                                : "delete it",
                          "%s has no place in a configuration", what);
    else
        config_report_add(report, CONFIG_ERROR, mark, "save the file as UTF-8",
                          "byte 0x%02x is not UTF-8", *byte);
    return TJ_EINVAL;
}

static int refuse_whole(struct config_report *report,
                        uint32_t file,
                        const char *hint,
                        const char *message)
{
    struct config_mark mark = { file, 1, 1, 1 };

    config_report_drop_text(report, file);
    config_report_add(report, CONFIG_ERROR, mark, hint, "%s", message);
    return TJ_EINVAL;
}

static void drop_byte_order_mark(struct config_report *report, uint32_t file)
{
    struct config_source *source = &report->sources[file - 1];

    if (!has_prefix(source->text, source->size, "\xef\xbb\xbf", 3))
        return;
    source->size -= 3;
    memmove(source->text, source->text + 3, source->size + 1);
}

int config_file_check_text(struct config_report *report, uint32_t file)
{
    const struct config_source *source = config_report_source(report, file);
    size_t at, length;

    if (looks_like_utf16(source->text, source->size))
        return refuse_whole(report, file, "save the file as UTF-8",
                            "the file is UTF-16, not UTF-8");
    if (looks_binary(source->text, source->size))
        return refuse_whole(report, file, "name a file with YAML text in it",
                            "this is a binary file, not text");
    drop_byte_order_mark(report, file);
    for (at = 0; at < source->size; at += length) {
        const unsigned char *text = (const unsigned char *)source->text + at;
        const char *what;

        length = character_size(text, source->size - at);
        what = length ? forbidden(text, length) : NULL;
        if (!length || what)
            return refuse_byte(report, file, source, at, what);
    }
    return 0;
}
