/* Strict scanners for what a client sends, in front of the parser.
 *
 * Pure: bytes in, a verdict out, resumable at any byte. They accept a subset
 * of what RFC 9112 allows and nothing that any two parsers could read
 * differently: CR and LF only as a pair at a line's end, no control
 * characters, no folded lines, no blank around a field name, nothing but
 * plain digits in sizes. What passes here is then given to llhttp, and both
 * must agree on where a message ends. */
#ifndef CONTROL_HTTP_SCAN_H
#define CONTROL_HTTP_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_METHOD_MAX   32
#define HTTP_URI_MAX      2048
#define HTTP_HEAD_MAX     16384 /* field lines with their ends */
#define HTTP_FIELDS_MAX   100
#define HTTP_BODY_MAX     65536
#define HTTP_CHUNK_EXTRA  256  /* a chunk's size line */
#define HTTP_TRAILERS_MAX 4096 /* all trailers of a body */

typedef enum http_scan_verdict {
    HTTP_SCAN_MORE, /* fine so far */
    HTTP_SCAN_DONE, /* complete; `at` is just behind it */
    HTTP_SCAN_BAD,
    HTTP_SCAN_URI_TOO_LONG,
    HTTP_SCAN_HEAD_TOO_BIG,
    HTTP_SCAN_BODY_TOO_BIG
} http_scan_verdict;

/* A request's head: request line, fields, empty line. Zeroed is ready. */
typedef struct http_head_scan {
    size_t at;         /* bytes of the head looked at */
    size_t part_size;  /* of the method or the target so far */
    size_t field_size; /* of all field lines so far */
    unsigned n_fields;
    unsigned state;
} http_head_scan;

/* Look at `data`, the head from its first byte on, going on at scan->at. */
http_scan_verdict
http_head_scan_run(http_head_scan *scan, const char *data, size_t size);

/* A chunked body with its trailers. Zeroed is ready. */
typedef struct http_chunk_scan {
    size_t at;         /* bytes looked at in this run */
    size_t total_size; /* of all chunks' data */
    size_t left;       /* of the chunk's data, or its size so far */
    size_t line_size;  /* of the size line, or of all trailers so far */
    unsigned state;
} http_chunk_scan;

/* Look at the next bytes of the body; scan->at tells how many belong to it. */
http_scan_verdict
http_chunk_scan_run(http_chunk_scan *scan, const char *data, size_t size);

/* True for the characters of a token: methods and field names. */
bool http_is_token_char(char character);

/* Read a size of plain digits that is at most `limit`; false otherwise. */
bool http_parse_size(const char *text,
                     size_t size,
                     size_t limit,
                     size_t *ret_value);

#endif
