/* One request as llhttp reads it, behind the scanners of http_scan.h.
 *
 * Pure: no descriptor, no clock. The head is parsed in one piece, the body as
 * it comes. Every failure is an HTTP status with a code and a sentence. */
#ifndef CONTROL_HTTP_REQUEST_H
#define CONTROL_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "control/http_scan.h"

#include <llhttp.h>

/* Why a request is refused; static texts. */
typedef struct http_problem {
    int status;
    const char *code;
    const char *message;
} http_problem;

typedef struct http_span {
    const char *text;
    size_t size;
} http_span;

typedef struct http_request {
    llhttp_t parser;
    http_head_scan head;
    http_chunk_scan chunks;
    http_span target; /* points into the head that was parsed */
    http_span field;  /* of the field being parsed */
    http_span value;
    size_t content_length;
    unsigned n_host, n_content_length, n_transfer_encoding, n_content_type;
    bool is_chunked;
    bool is_json;        /* or no content type at all */
    bool wants_continue; /* Expect: 100-continue */
    bool wants_event_stream;
    bool keep_alive;
    bool is_http_1_0;
    bool in_body;     /* the head is over: fields are trailers */
    bool is_complete; /* as llhttp sees it */
    const http_problem *problem;
    tj_buf body;
} http_request;

/* Make ready for a next request; the first call wants a zeroed struct. */
void http_request_reset(http_request *request);
void http_request_done(http_request *request);

/* The problem that stands for a scanner's verdict. */
const http_problem *http_problem_of(http_scan_verdict verdict);

/* Parse a head that the scanner has passed: `size` bytes up to and with the
 * empty line. NULL, or why not. */
const http_problem *
http_request_parse_head(http_request *request, const char *head, size_t size);

/* True when a body follows the head. */
bool http_request_has_body(const http_request *request);

/* Take bytes of the body; *ret_used tells how many belong to it. NULL when
 * fine; is_complete is set at its end. */
const http_problem *http_request_take_body(http_request *request,
                                           const char *data,
                                           size_t size,
                                           size_t *ret_used);

#endif
