/* See http_request.h. */
#include "control/http_request.h"

#include <string.h>
#include <strings.h>

#define PROBLEM(name, status, code, message) \
    static const http_problem name = { status, code, message }

PROBLEM(bad_syntax, 400, "bad_request", "this is not a well-formed request");
PROBLEM(bad_framing,
        400,
        "bad_framing",
        "the body's length is given wrongly or in more than one way");
PROBLEM(bad_host, 400, "bad_host", "exactly one valid Host field is needed");
PROBLEM(bad_expect, 417, "bad_expect", "only 100-continue can be expected");
PROBLEM(bad_method, 501, "unknown_method", "this method is not known");
PROBLEM(bad_version, 505, "bad_version", "HTTP/1.1 and 1.0 are spoken here");
PROBLEM(uri_too_long, 414, "uri_too_long", "the target exceeds 2048 bytes");
PROBLEM(head_too_big,
        431,
        "head_too_big",
        "the header exceeds 16384 bytes or 100 fields");
PROBLEM(body_too_big, 413, "body_too_big", "the body exceeds 65536 bytes");
PROBLEM(out_of_memory, 503, "out_of_memory", "there is not enough memory");

const http_problem *http_problem_of(http_scan_verdict verdict)
{
    switch (verdict) {
    case HTTP_SCAN_MORE:
    case HTTP_SCAN_DONE:
        return NULL;
    case HTTP_SCAN_URI_TOO_LONG:
        return &uri_too_long;
    case HTTP_SCAN_HEAD_TOO_BIG:
        return &head_too_big;
    case HTTP_SCAN_BODY_TOO_BIG:
        return &body_too_big;
    case HTTP_SCAN_BAD:
    default:
        return &bad_syntax;
    }
}

/* ---- fields ------------------------------------------------------------ */

static bool span_is(http_span span, const char *text)
{
    return span.size == strlen(text) &&
           strncasecmp(span.text, text, span.size) == 0;
}

static bool span_has_prefix(http_span span, const char *text)
{
    return span.size >= strlen(text) &&
           strncasecmp(span.text, text, strlen(text)) == 0;
}

static http_span span_trim(http_span span)
{
    while (span.size && (*span.text == ' ' || *span.text == '\t')) {
        span.text++;
        span.size--;
    }
    while (span.size && (span.text[span.size - 1] == ' ' ||
                         span.text[span.size - 1] == '\t'))
        span.size--;
    return span;
}

/* A reg-name, an IPv4 or a bracketed IPv6 address, and maybe a port. */
static bool is_host(http_span span)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789-._~[]:%";
    size_t at;

    for (at = 0; at < span.size; at++) {
        if (!memchr(allowed, span.text[at], sizeof(allowed) - 1))
            return false;
    }
    return span.size <= 255;
}

static bool accepts_event_stream(http_span span)
{
    return memmem(span.text, span.size, "text/event-stream", 17) != NULL;
}

static void field_take(http_request *request)
{
    http_span name = request->field;
    http_span value = span_trim(request->value);

    if (span_is(name, "host")) {
        if (request->n_host++ || !is_host(value))
            request->problem = &bad_host;
    } else if (span_is(name, "content-length")) {
        /* Any number is read, so that a big one is 413 and not 400. */
        if (request->n_content_length++ ||
            !http_parse_size(value.text, value.size, SIZE_MAX / 2,
                             &request->content_length))
            request->problem = &bad_framing;
    } else if (span_is(name, "transfer-encoding")) {
        request->is_chunked = true;
        if (request->n_transfer_encoding++ || !span_is(value, "chunked"))
            request->problem = &bad_framing;
    } else if (span_is(name, "expect")) {
        request->wants_continue = span_is(value, "100-continue");
        if (!request->wants_continue)
            request->problem = &bad_expect;
    } else if (span_is(name, "accept")) {
        request->wants_event_stream |= accepts_event_stream(value);
    } else if (span_is(name, "content-type")) {
        request->is_json = !request->n_content_type++ &&
                           (span_is(value, "application/json") ||
                            span_has_prefix(value, "application/json;"));
    }
}

/* ---- llhttp's callbacks ------------------------------------------------ */

/* The head comes in one piece, so that spans that continue are neighbours. */
static int span_take(http_span *span, const char *at, size_t size)
{
    if (!span->text)
        span->text = at;
    else if (span->text + span->size != at)
        return HPE_USER;
    span->size += size;
    return 0;
}

static int on_url(llhttp_t *parser, const char *at, size_t size)
{
    http_request *request = parser->data;

    return span_take(&request->target, at, size);
}

static int on_field(llhttp_t *parser, const char *at, size_t size)
{
    http_request *request = parser->data;

    return request->in_body ? 0 : span_take(&request->field, at, size);
}

static int on_value(llhttp_t *parser, const char *at, size_t size)
{
    http_request *request = parser->data;

    return request->in_body ? 0 : span_take(&request->value, at, size);
}

static int on_value_complete(llhttp_t *parser)
{
    http_request *request = parser->data;
    static const http_span none = { NULL, 0 };

    if (!request->in_body && !request->problem)
        field_take(request);
    request->field = none;
    request->value = none;
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    /* Nothing is upgraded to here; such a wish is ignored, as RFC 9110 7.8
     * allows, so that what follows is still read as HTTP. */
    parser->upgrade = 0;
    return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t size)
{
    http_request *request = parser->data;

    tj__buf_append(&request->body, at, size);
    return request->body.failed ? HPE_USER : 0;
}

static int on_message_complete(llhttp_t *parser)
{
    http_request *request = parser->data;

    request->is_complete = true;
    return HPE_PAUSED;
}

/* Fields in trailers are checked by the scanner and then ignored. */
static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* ---- the request ------------------------------------------------------- */

void http_request_reset(http_request *request)
{
    tj__buf_done(&request->body);
    memset(request, 0, sizeof(*request));
    request->body.size_max = HTTP_BODY_MAX;
    request->is_json = true;
    llhttp_init(&request->parser, HTTP_REQUEST, &settings);
    request->parser.data = request;
}

void http_request_done(http_request *request)
{
    tj__buf_done(&request->body);
}

bool http_request_has_body(const http_request *request)
{
    return request->is_chunked || request->content_length > 0;
}

static const http_problem *problem_of_parser(llhttp_errno_t error)
{
    /* The scanner has seen a method of token characters and an eight
     * character version: what llhttp does not like about them is their
     * meaning. */
    if (error == HPE_INVALID_METHOD)
        return &bad_method;
    if (error == HPE_INVALID_VERSION)
        return &bad_version;
    if (error == HPE_INVALID_CONTENT_LENGTH ||
        error == HPE_INVALID_TRANSFER_ENCODING ||
        error == HPE_UNEXPECTED_CONTENT_LENGTH)
        return &bad_framing;
    return &bad_syntax;
}

static const http_problem *head_check(http_request *request)
{
    int minor = llhttp_get_http_minor(&request->parser);

    if (llhttp_get_http_major(&request->parser) != 1 || minor > 1)
        return &bad_version;
    request->is_http_1_0 = minor == 0;
    if (!request->is_http_1_0 && !request->n_host)
        return &bad_host;
    if (request->is_chunked &&
        (request->n_content_length || request->is_http_1_0))
        return &bad_framing;
    if (request->is_http_1_0)
        request->wants_continue = false;
    return request->content_length > HTTP_BODY_MAX ? &body_too_big : NULL;
}

const http_problem *
http_request_parse_head(http_request *request, const char *head, size_t size)
{
    llhttp_errno_t error = llhttp_execute(&request->parser, head, size);

    request->in_body = true;
    request->keep_alive = llhttp_should_keep_alive(&request->parser);
    if (request->problem)
        return request->problem;
    if (error != HPE_OK && error != HPE_PAUSED)
        return problem_of_parser(error);
    if (head_check(request))
        return head_check(request);
    /* Both readings of where the message ends must be one. */
    if (request->is_complete == http_request_has_body(request) ||
        !request->target.size)
        return &bad_syntax;
    if (error == HPE_PAUSED && llhttp_get_error_pos(&request->parser) &&
        llhttp_get_error_pos(&request->parser) < head + size - 1)
        return &bad_syntax;
    return NULL;
}

static const http_problem *
body_execute(http_request *request, const char *data, size_t size, bool is_last)
{
    llhttp_errno_t error = llhttp_execute(&request->parser, data, size);

    if (request->body.failed)
        return &out_of_memory;
    if (error != HPE_OK && error != HPE_PAUSED)
        return &bad_syntax;
    return request->is_complete == is_last ? NULL : &bad_syntax;
}

const http_problem *http_request_take_body(http_request *request,
                                           const char *data,
                                           size_t size,
                                           size_t *ret_used)
{
    http_scan_verdict verdict = HTTP_SCAN_MORE;

    if (request->is_chunked) {
        verdict = http_chunk_scan_run(&request->chunks, data, size);
        size = request->chunks.at;
        if (http_problem_of(verdict))
            return http_problem_of(verdict);
    } else {
        size_t left = request->content_length - request->body.size;

        if (size >= left) {
            size = left;
            verdict = HTTP_SCAN_DONE;
        }
    }
    *ret_used = size;
    return body_execute(request, data, size, verdict == HTTP_SCAN_DONE);
}
