/* See http_scan.h. */
#include "control/http_scan.h"

#include <string.h>

bool http_is_token_char(char character)
{
    if ((character >= 'a' && character <= 'z') ||
        (character >= 'A' && character <= 'Z') ||
        (character >= '0' && character <= '9'))
        return true;
    return character && strchr("!#$%&'*+-.^_`|~", character);
}

static bool is_visible(char character)
{
    return character > 0x20 && (unsigned char)character < 0x7f;
}

static bool is_field_char(char character)
{
    unsigned char byte = (unsigned char)character;

    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

bool http_parse_size(const char *text,
                     size_t size,
                     size_t limit,
                     size_t *ret_value)
{
    size_t value = 0;
    size_t at;

    if (!size)
        return false;
    for (at = 0; at < size; at++) {
        size_t digit = (size_t)(unsigned char)text[at] - '0';

        if (digit > 9 || value > (limit - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *ret_value = value;
    return true;
}

/* ---- the head ---------------------------------------------------------- */

/*  METHOD --SP--> TARGET --SP--> VERSION --CR--> VERSION_LF --LF--> LINE
 *  LINE --token--> NAME --:--> VALUE --CR--> VALUE_LF --LF--> LINE
 *  LINE --CR--> END_LF --LF--> done */
enum head_state {
    HEAD_METHOD,
    HEAD_TARGET,
    HEAD_VERSION,
    HEAD_VERSION_LF,
    HEAD_LINE,
    HEAD_NAME,
    HEAD_VALUE,
    HEAD_VALUE_LF,
    HEAD_END_LF
};

static http_scan_verdict request_line_step(http_head_scan *scan, char byte)
{
    switch (scan->state) {
    case HEAD_METHOD:
        if (byte == ' ' && scan->part_size) {
            scan->state = HEAD_TARGET;
            scan->part_size = 0;
            return HTTP_SCAN_MORE;
        }
        if (!http_is_token_char(byte) || ++scan->part_size > HTTP_METHOD_MAX)
            return HTTP_SCAN_BAD;
        return HTTP_SCAN_MORE;
    case HEAD_TARGET:
        if (byte == ' ' && scan->part_size) {
            scan->state = HEAD_VERSION;
            scan->part_size = 0;
            return HTTP_SCAN_MORE;
        }
        if (!is_visible(byte))
            return HTTP_SCAN_BAD;
        return ++scan->part_size > HTTP_URI_MAX ? HTTP_SCAN_URI_TOO_LONG
                                                : HTTP_SCAN_MORE;
    case HEAD_VERSION:
        if (byte == '\r') {
            scan->state = HEAD_VERSION_LF;
            return scan->part_size == 8 ? HTTP_SCAN_MORE : HTTP_SCAN_BAD;
        }
        return !is_visible(byte) || ++scan->part_size > 8 ? HTTP_SCAN_BAD
                                                          : HTTP_SCAN_MORE;
    default:
        scan->state = HEAD_LINE;
        return byte == '\n' ? HTTP_SCAN_MORE : HTTP_SCAN_BAD;
    }
}

static http_scan_verdict field_step(http_head_scan *scan, char byte)
{
    if (++scan->field_size > HTTP_HEAD_MAX)
        return HTTP_SCAN_HEAD_TOO_BIG;
    switch (scan->state) {
    case HEAD_LINE:
        if (byte == '\r') {
            scan->state = HEAD_END_LF;
            return HTTP_SCAN_MORE;
        }
        if (!http_is_token_char(byte)) /* a blank would be a folded line */
            return HTTP_SCAN_BAD;
        scan->state = HEAD_NAME;
        return ++scan->n_fields > HTTP_FIELDS_MAX ? HTTP_SCAN_HEAD_TOO_BIG
                                                  : HTTP_SCAN_MORE;
    case HEAD_NAME:
        if (byte == ':')
            scan->state = HEAD_VALUE;
        else if (!http_is_token_char(byte))
            return HTTP_SCAN_BAD;
        return HTTP_SCAN_MORE;
    case HEAD_VALUE:
        if (byte == '\r')
            scan->state = HEAD_VALUE_LF;
        else if (!is_field_char(byte))
            return HTTP_SCAN_BAD;
        return HTTP_SCAN_MORE;
    case HEAD_VALUE_LF:
        scan->state = HEAD_LINE;
        return byte == '\n' ? HTTP_SCAN_MORE : HTTP_SCAN_BAD;
    default:
        return byte == '\n' ? HTTP_SCAN_DONE : HTTP_SCAN_BAD;
    }
}

http_scan_verdict
http_head_scan_run(http_head_scan *scan, const char *data, size_t size)
{
    http_scan_verdict verdict = HTTP_SCAN_MORE;

    while (verdict == HTTP_SCAN_MORE && scan->at < size) {
        char byte = data[scan->at++];

        verdict = scan->state < HEAD_LINE ? request_line_step(scan, byte)
                                          : field_step(scan, byte);
    }
    return verdict;
}

/* ---- a chunked body ---------------------------------------------------- */

/*  SIZE --;--> EXTENSION --CR--> SIZE_LF --LF--> DATA, or TRAILER after 0
 *  DATA --> DATA_CR --> DATA_LF --> SIZE
 *  TRAILER --CR--> END_LF --> done; --token--> TRAILER_NAME --:-->
 *  TRAILER_VALUE --CR--> TRAILER_LF --> TRAILER */
enum chunk_state {
    CHUNK_SIZE,
    CHUNK_EXTENSION,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    CHUNK_TRAILER,
    CHUNK_TRAILER_NAME,
    CHUNK_TRAILER_VALUE,
    CHUNK_TRAILER_LF,
    CHUNK_END_LF
};

static int hex_digit(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    return byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
}

static http_scan_verdict chunk_size_step(http_chunk_scan *scan, char byte)
{
    int digit = hex_digit(byte);

    if (scan->state == CHUNK_SIZE_LF) {
        scan->state = scan->left ? CHUNK_DATA : CHUNK_TRAILER;
        scan->line_size = 0;
        scan->total_size += scan->left;
        if (scan->total_size > HTTP_BODY_MAX)
            return HTTP_SCAN_BODY_TOO_BIG;
        return byte == '\n' ? HTTP_SCAN_MORE : HTTP_SCAN_BAD;
    }
    if (++scan->line_size > HTTP_CHUNK_EXTRA)
        return HTTP_SCAN_BAD;
    if (scan->state == CHUNK_SIZE && digit >= 0) {
        if (scan->left > HTTP_BODY_MAX)
            return HTTP_SCAN_BODY_TOO_BIG;
        scan->left = scan->left * 16 + (size_t)digit;
        return HTTP_SCAN_MORE;
    }
    if (scan->line_size == 1) /* no size at all */
        return HTTP_SCAN_BAD;
    if (byte == '\r') {
        scan->state = CHUNK_SIZE_LF;
        return HTTP_SCAN_MORE;
    }
    if (scan->state == CHUNK_SIZE && byte == ';')
        scan->state = CHUNK_EXTENSION;
    else if (scan->state == CHUNK_SIZE || !is_field_char(byte))
        return HTTP_SCAN_BAD;
    return HTTP_SCAN_MORE;
}

static http_scan_verdict trailer_step(http_chunk_scan *scan, char byte)
{
    if (++scan->line_size > HTTP_TRAILERS_MAX)
        return HTTP_SCAN_HEAD_TOO_BIG;
    switch (scan->state) {
    case CHUNK_TRAILER:
        if (byte == '\r')
            scan->state = CHUNK_END_LF;
        else if (http_is_token_char(byte))
            scan->state = CHUNK_TRAILER_NAME;
        else
            return HTTP_SCAN_BAD;
        return HTTP_SCAN_MORE;
    case CHUNK_TRAILER_NAME:
        if (byte == ':')
            scan->state = CHUNK_TRAILER_VALUE;
        else if (!http_is_token_char(byte))
            return HTTP_SCAN_BAD;
        return HTTP_SCAN_MORE;
    case CHUNK_TRAILER_VALUE:
        if (byte == '\r')
            scan->state = CHUNK_TRAILER_LF;
        else if (!is_field_char(byte))
            return HTTP_SCAN_BAD;
        return HTTP_SCAN_MORE;
    case CHUNK_TRAILER_LF:
        scan->state = CHUNK_TRAILER;
        return byte == '\n' ? HTTP_SCAN_MORE : HTTP_SCAN_BAD;
    default:
        return byte == '\n' ? HTTP_SCAN_DONE : HTTP_SCAN_BAD;
    }
}

static http_scan_verdict chunk_step(http_chunk_scan *scan, char byte)
{
    if (scan->state <= CHUNK_SIZE_LF)
        return chunk_size_step(scan, byte);
    if (scan->state >= CHUNK_TRAILER)
        return trailer_step(scan, byte);
    if (scan->state == CHUNK_DATA_CR) {
        scan->state = CHUNK_DATA_LF;
        return byte == '\r' ? HTTP_SCAN_MORE : HTTP_SCAN_BAD;
    }
    scan->state = CHUNK_SIZE;
    return byte == '\n' ? HTTP_SCAN_MORE : HTTP_SCAN_BAD;
}

http_scan_verdict
http_chunk_scan_run(http_chunk_scan *scan, const char *data, size_t size)
{
    http_scan_verdict verdict = HTTP_SCAN_MORE;

    scan->at = 0;
    while (verdict == HTTP_SCAN_MORE && scan->at < size) {
        if (scan->state == CHUNK_DATA) {
            size_t step = size - scan->at;

            if (step > scan->left)
                step = scan->left;
            scan->at += step;
            scan->left -= step;
            if (!scan->left)
                scan->state = CHUNK_DATA_CR;
        } else {
            verdict = chunk_step(scan, data[scan->at++]);
        }
    }
    return verdict;
}
