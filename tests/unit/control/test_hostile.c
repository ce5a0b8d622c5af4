/* What the server answers to anything that may come in: each row is said in
 * one piece, in two, and byte by byte, over a real Unix socket. */
#include "support/unit.h"

#include <string.h>

#include "talk.h"

typedef struct hostile_case {
    int line;
    const char *bytes;
    size_t size;
    const char *answers; /* the statuses, in order */
} hostile_case;

#define CASE(bytes, answers)                        \
    {                                               \
        __LINE__, bytes, sizeof(bytes) - 1, answers \
    }
#define HOST         "Host: x\r\n"
#define GET(fields)  "GET /livez HTTP/1.1\r\n" HOST fields "\r\n"
#define POST(fields) "POST /v1/pause HTTP/1.1\r\n" HOST fields "\r\n"
#define CHUNKED      "Transfer-Encoding: chunked\r\n"

static const hostile_case cases[] = {
    /* plain good requests */
    CASE(GET(""), "200"),
    CASE(GET("") GET(""), "200 200"),
    CASE("\r\n" GET(""), "200"),
    CASE("GET /livez HTTP/1.0\r\n\r\n", "200"),
    CASE("GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" GET(""),
         "200 200"),
    CASE("GET /livez HTTP/1.0\r\n\r\n" GET(""), "200"),
    CASE(GET("Connection: close\r\n") GET(""), "200"),
    CASE("GET http://x/livez HTTP/1.1\r\n" HOST "\r\n", "200"),
    CASE("GET /livez? HTTP/1.1\r\n" HOST "\r\n", "200"),
    CASE(POST("Content-Length: 2\r\n") "{}", "200"),
    CASE(POST("content-length:\t2 \r\n") "{}", "200"),
    CASE(POST("Content-Length: 0\r\n") GET(""), "200 200"),
    CASE(POST(CHUNKED) "2\r\n{}\r\n0\r\n\r\n" GET(""), "200 200"),
    CASE(POST(CHUNKED) "1\r\n{\r\n1;a=b\r\n}\r\n0\r\n\r\n", "200"),
    CASE(POST(CHUNKED) "2\r\n{}\r\n0\r\nX: y\r\n\r\n" GET(""), "200 200"),
    CASE(POST("Content-Length: 2\r\nExpect: 100-continue\r\n") "{}", "200"),
    CASE(GET("Connection: Upgrade\r\nUpgrade: websocket\r\n") GET(""),
         "200 200"),
    CASE(GET("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"), "200"),
    CASE(GET("Content-Length: 5\r\n") "hello", "400"),

    /* nothing, or not all of it: no answer at all */
    CASE("\r\n", ""),
    CASE("G", ""),
    CASE("GET /livez HTTP/1.1\r\nHost: x\r\n", ""),
    CASE(POST("Content-Length: 3\r\n") "{}", ""),
    CASE(POST(CHUNKED) "2\r\n{}\r\n", ""),

    /* what is not HTTP */
    CASE("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "400"),
    CASE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"),
    CASE("\r\n\r\n" GET(""), "400"),
    CASE("\n" GET(""), "400"),
    CASE(" GET /livez HTTP/1.1\r\n" HOST "\r\n", "400"),
    CASE("GET  /livez HTTP/1.1\r\n" HOST "\r\n", "400"),
    CASE("GET /livez  HTTP/1.1\r\n" HOST "\r\n", "400"),
    CASE("GET\t/livez HTTP/1.1\r\n" HOST "\r\n", "400"),
    CASE("GET /livez HTTP/1.1 \r\n" HOST "\r\n", "400"),
    CASE("GET /livez\r\n", "400"),
    CASE("GET /livez HTTP/1.1\n" HOST "\r\n", "400"),
    CASE("GET /li\0vez HTTP/1.1\r\n" HOST "\r\n", "400"),
    CASE("GET /li\x01vez HTTP/1.1\r\n" HOST "\r\n", "400"),
    CASE("GET /li\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n", "400"),
    CASE("G\xc3T /livez HTTP/1.1\r\n" HOST "\r\n", "400"),
    CASE("GET /livez HTTP/1.1\rHost: x\r\n\r\n", "400"),
    CASE("GET /livez HTTP/2.0\r\n" HOST "\r\n", "505"),
    CASE("GET /livez HTTP/0.9\r\n" HOST "\r\n", "505"),
    CASE("GET /livez HTTP/1.2\r\n" HOST "\r\n", "505"),
    CASE("GET /livez http/1.1\r\n" HOST "\r\n", "400"),
    CASE("GET /livez HTTX/1.1\r\n" HOST "\r\n", "400"),
    CASE("GET /livez HTTP/11.\r\n" HOST "\r\n", "505"),
    CASE("BREW /livez HTTP/1.1\r\n" HOST "\r\n", "501"),
    CASE("get /livez HTTP/1.1\r\n" HOST "\r\n", "501"),
    CASE("THIS-METHOD-IS-LONGER-THAN-32-BYTES / HTTP/1.1\r\n" HOST "\r\n",
         "400"),

    /* field lines */
    CASE("GET /livez HTTP/1.1\r\n" HOST "\n", "400"),
    CASE(GET("X: a\n"), "400"),
    CASE(GET("X: a\rY: b\r\n"), "400"),
    CASE(GET("X: a\r\r\n"), "400"),
    CASE(GET("X: a\0b\r\n"), "400"),
    CASE(GET("X: a\x01"
             "b\r\n"),
         "400"),
    CASE(GET("X: a\x7f\r\n"), "400"),
    CASE(GET("X: a\xc3\xa4 \t b\r\n"), "200"),
    CASE(GET("X:\r\n"), "200"),
    CASE(GET("X: a\r\n b\r\n"), "400"),
    CASE(GET("X: a\r\n\tb\r\n"), "400"),
    CASE("GET /livez HTTP/1.1\r\n X: a\r\n" HOST "\r\n", "400"),
    CASE(GET("X : a\r\n"), "400"),
    CASE(GET(" X: a\r\n"), "400"),
    CASE(GET(": a\r\n"), "400"),
    CASE(GET("X\r\n"), "400"),
    CASE(GET("X Y: a\r\n"), "400"),
    CASE(GET("X\0: a\r\n"), "400"),
    CASE(GET("X(a): b\r\n"), "400"),
    CASE(GET("\xe2\x82\xac: b\r\n"), "400"),

    /* Host */
    CASE("GET /livez HTTP/1.1\r\n\r\n", "400"),
    CASE(GET("Host: y\r\n"), "400"),
    CASE("GET /livez HTTP/1.1\r\nHost:\r\n\r\n", "200"),
    CASE("GET /livez HTTP/1.1\r\nHost: a b\r\n\r\n", "400"),
    CASE("GET /livez HTTP/1.1\r\nHost: a/b\r\n\r\n", "400"),
    CASE("GET /livez HTTP/1.1\r\nHost: a@b\r\n\r\n", "400"),
    CASE("GET /livez HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "200"),

    /* where a body ends: the stuff that smuggling is made of */
    CASE(POST("Content-Length: 2\r\n" CHUNKED) "{}", "400"),
    CASE(POST(CHUNKED "Content-Length: 2\r\n") "0\r\n\r\n", "400"),
    CASE(POST("Content-Length: 2\r\nContent-Length: 3\r\n") "{}", "400"),
    CASE(POST("Content-Length: 2\r\nContent-Length: 2\r\n") "{}", "400"),
    CASE(POST("Content-Length: 2, 2\r\n") "{}", "400"),
    CASE(POST("Content-Length: +2\r\n") "{}", "400"),
    CASE(POST("Content-Length: -2\r\n") "{}", "400"),
    CASE(POST("Content-Length: 0x2\r\n") "{}", "400"),
    CASE(POST("Content-Length: 2 2\r\n") "{}", "400"),
    CASE(POST("Content-Length: 2.0\r\n") "{}", "400"),
    CASE(POST("Content-Length:\r\n") "{}", "400"),
    CASE(POST("Content-Length: \x0b"
              "2\r\n") "{}",
         "400"),
    CASE(POST("Content-Length: 18446744073709551618\r\n") "{}", "400"),
    CASE(POST("Content-Length: 99999999999999999999999\r\n") "{}", "400"),
    CASE(POST("Content-Length : 2\r\n") "{}", "400"),
    CASE(POST("Transfer-Encoding: gzip\r\n") "0\r\n\r\n", "400"),
    CASE(POST("Transfer-Encoding: gzip, chunked\r\n") "0\r\n\r\n", "400"),
    CASE(POST("Transfer-Encoding: chunked, gzip\r\n") "0\r\n\r\n", "400"),
    CASE(POST("Transfer-Encoding: chunked, chunked\r\n") "0\r\n\r\n", "400"),
    CASE(POST("Transfer-Encoding: chunked,\r\n") "0\r\n\r\n", "400"),
    CASE(POST(CHUNKED CHUNKED) "0\r\n\r\n", "400"),
    CASE(POST(CHUNKED "Transfer-Encoding: identity\r\n") "0\r\n\r\n", "400"),
    CASE(POST("Transfer-Encoding: identity\r\n") "0\r\n\r\n", "400"),
    CASE(POST("Transfer-Encoding: xchunked\r\n") "0\r\n\r\n", "400"),
    CASE(POST("Transfer-Encoding: \"chunked\"\r\n") "0\r\n\r\n", "400"),
    CASE(POST("Transfer-Encoding:\r\n") "0\r\n\r\n", "400"),
    CASE(POST("Transfer-Encoding:\r\n chunked\r\n") "0\r\n\r\n", "400"),
    CASE(POST("Transfer-Encoding\r\n: chunked\r\n") "0\r\n\r\n", "400"),
    CASE(POST("TRANSFER-ENCODING: CHUNKED\r\n") "0\r\n\r\n", "200"),
    CASE("POST /v1/pause HTTP/1.0\r\n" CHUNKED "\r\n0\r\n\r\n", "400"),
    CASE(POST(CHUNKED) "2 \r\n{}\r\n0\r\n\r\n", "400"),
    CASE(POST(CHUNKED) " 2\r\n{}\r\n0\r\n\r\n", "400"),
    CASE(POST(CHUNKED) "0x2\r\n{}\r\n0\r\n\r\n", "400"),
    CASE(POST(CHUNKED) "+2\r\n{}\r\n0\r\n\r\n", "400"),
    CASE(POST(CHUNKED) "\r\n{}\r\n0\r\n\r\n", "400"),
    CASE(POST(CHUNKED) ";a\r\n{}\r\n0\r\n\r\n", "400"),
    CASE(POST(CHUNKED) "2\n{}\r\n0\r\n\r\n", "400"),
    CASE(POST(CHUNKED) "2\r\n{}\n0\r\n\r\n", "400"),
    CASE(POST(CHUNKED) "2\r\n{}0\r\n\r\n", "400"),
    CASE(POST(CHUNKED) "2\r\n{}\rX0\r\n\r\n", "400"),
    CASE(POST(CHUNKED) "2\rX{}\r\n0\r\n\r\n", "400"),
    CASE(POST(CHUNKED) "2;a\nb\r\n{}\r\n0\r\n\r\n", "400"),
    CASE(POST(CHUNKED) "2\r\n{}\r\n0\r\n\n", "400"),
    CASE(POST(CHUNKED) "2\r\n{}\r\n0\r\nX\r\n\r\n", "400"),
    CASE(POST(CHUNKED) "2\r\n{}\r\n0\r\n X: y\r\n\r\n", "400"),
    CASE(POST(CHUNKED) "2\r\n{}\r\n0\r\nX: y\n\r\n", "400"),
    CASE(POST(CHUNKED) "ffffffffffffffff\r\n{}", "413"),
    CASE(POST(CHUNKED) "10000000000000002\r\n{}\r\n0\r\n\r\n", "413"),
    CASE(POST(CHUNKED) "10001\r\n", "413"),
    CASE(POST("Content-Length: 65537\r\n") "{", "413"),
    CASE(POST("Content-Length: 65537\r\nExpect: 100-continue\r\n"), "413"),
    CASE(POST("Content-Length: 2\r\nExpect: 200-ok\r\n") "{}", "417"),

    /* routes, methods, arguments */
    CASE("GET / HTTP/1.1\r\n" HOST "\r\n" GET(""), "404 200"),
    CASE("GET /livez/ HTTP/1.1\r\n" HOST "\r\n", "404"),
    CASE("GET //livez HTTP/1.1\r\n" HOST "\r\n", "404"),
    CASE("GET /v1/../livez HTTP/1.1\r\n" HOST "\r\n", "404"),
    CASE("GET /%6civez HTTP/1.1\r\n" HOST "\r\n", "404"),
    CASE("POST /livez HTTP/1.1\r\n" HOST "\r\n" GET(""), "405 200"),
    CASE("GET /v1/stop HTTP/1.1\r\n" HOST "\r\n", "405"),
    CASE("DELETE /v1/pause HTTP/1.1\r\n" HOST "\r\n", "405"),
    CASE("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "404"),
    CASE("CONNECT x:80 HTTP/1.1\r\n" HOST "\r\n", "404"),
    CASE("CONNECT x:80 HTTP/1.1\r\n" HOST "\r\n" GET(""), "404 200"),
    CASE("TRACE /livez HTTP/1.1\r\n" HOST "\r\n", "405"),
    CASE("GET /readyz HTTP/1.1\r\n" HOST "\r\n", "501"),
    CASE("POST /livez HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}" GET(""),
         "405"),
    CASE("POST /v1/jobs/%00/tick HTTP/1.1\r\n" HOST "\r\n", "400"),
    CASE("POST /v1/jobs/%zz/tick HTTP/1.1\r\n" HOST "\r\n", "400"),
    CASE("POST /v1/jobs/%/tick HTTP/1.1\r\n" HOST "\r\n", "400"),
    CASE("POST /v1/jobs/%0a/tick HTTP/1.1\r\n" HOST "\r\n", "400"),
    CASE("POST /v1/jobs//tick HTTP/1.1\r\n" HOST "\r\n", "404"),
    CASE("POST /v1/jobs/a/b/tick HTTP/1.1\r\n" HOST "\r\n", "404"),
    CASE("POST /v1/jobs/a%2fb/tick HTTP/1.1\r\n" HOST "\r\n", "404"),
    CASE("POST /v1/jobs/readings/tick HTTP/1.1\r\n" HOST "\r\n", "200"),
    CASE("POST /v1/jobs/readings/tick?wait=2 HTTP/1.1\r\n" HOST "\r\n", "400"),
    CASE("POST /v1/jobs/readings/tick?wiat=1 HTTP/1.1\r\n" HOST "\r\n", "400"),
    CASE("POST /v1/jobs/readings/tick?wait=1&wait=1 HTTP/1.1\r\n" HOST "\r\n",
         "400"),
    CASE("GET /livez?a HTTP/1.1\r\n" HOST "\r\n", "400"),
    CASE("GET /v1/logs?date=../../etc/passwd HTTP/1.1\r\n" HOST "\r\n", "400"),
    CASE("GET /v1/logs?date=2026-02-30 HTTP/1.1\r\n" HOST "\r\n", "400"),
    CASE("GET /v1/logs?date=2026-04-01%00 HTTP/1.1\r\n" HOST "\r\n", "400"),
    CASE("GET /v1/logs?tail=1000001 HTTP/1.1\r\n" HOST "\r\n", "400"),
    CASE("GET /v1/logs?tail=-1 HTTP/1.1\r\n" HOST "\r\n", "400"),
    CASE(POST("Content-Length: 1\r\n") "{", "400"),
    CASE(POST("Content-Length: 2\r\n") "[]", "400"),
    CASE(POST("Content-Length: 7\r\n") "{\"a\":1}", "400"),
    CASE(POST("Content-Length: 9\r\n") "{\"who\":1}", "400"),
    CASE(POST("Content-Length: 22\r\n") "{\"why\":\"a\",\"why\":\"b\"}\n",
         "400"),
    CASE(POST("Content-Length: 2\r\nContent-Type: text/plain\r\n") "{}", "415"),
    CASE(POST("Content-Length: 2\r\nContent-Type: application/json\r\n") "{}",
         "200"),
};

/* False, and said why: all rows are looked at before the test fails. */
static bool judge(fake_daemon *daemon,
                  const char *bytes,
                  size_t size,
                  size_t portion,
                  const char *answers,
                  int line)
{
    char statuses[128];
    bool is_right;
    size_t at;
    talker talk;

    talk_connect(&talk, daemon);
    for (at = 0; at < size && !talk.is_over; at += portion) {
        talk_say(&talk, bytes + at, portion < size - at ? portion : size - at);
        talk_turn(&talk); /* so that the server sees each portion alone */
    }
    talk_finish(&talk);
    if (!talk_hear(&talk, NULL))
        print_error("line %d: the connection was left open\n", line);
    talk_statuses(&talk, statuses);
    is_right = talk.is_over && strcmp(statuses, answers) == 0;
    if (!is_right)
        print_error("line %d, in portions of %zu: '%s', not '%s'\n%.*s\n", line,
                    portion, statuses, answers, (int)talk.heard.size,
                    talk.heard.data ? talk.heard.data : "");
    talk_close(&talk);
    return is_right;
}

/* However bytes are cut into packets, the answers are the same, every bad
 * request gets its status, and nothing is left behind. */
static void test_every_request_gets_its_answer_however_it_is_cut(void **state)
{
    control_server_stats stats;
    fake_daemon daemon;
    bool are_right = true;
    char dir[64];
    size_t at;

    fake_daemon_init(&daemon);
    talk_place(&daemon, dir);
    daemon.options.log_dir = dir;
    fake_daemon_start(&daemon);
    for (at = 0; at < sizeof(cases) / sizeof(cases[0]); at++) {
        const hostile_case *one = &cases[at];

        are_right &= judge(&daemon, one->bytes, one->size, one->size,
                           one->answers, one->line);
        are_right &=
            judge(&daemon, one->bytes, one->size, 1, one->answers, one->line);
        are_right &= judge(&daemon, one->bytes, one->size, one->size / 2 + 1,
                           one->answers, one->line);
    }
    assert_true(are_right);
    control_server_get_stats(daemon.server, &stats);
    assert_int_equal(stats.n_connections, 0);
    assert_int_equal(stats.n_streams, 0);
    fake_daemon_done(&daemon);
    talk_unplace(dir);
}

/* Each limit holds exactly: what just fits is taken, one more is not. */
static void test_limits_hold_to_the_byte(void **state)
{
    static const struct {
        int line;
        const char *before;
        const char *repeated;
        size_t times;
        const char *after;
        const char *answers;
    } rows[] = {
        { __LINE__, "GET /livez?", "&", 2041, " HTTP/1.1\r\n" HOST "\r\n",
          "200" },
        { __LINE__, "GET /livez?", "&", 2042, " HTTP/1.1\r\n" HOST "\r\n",
          "414" },
        { __LINE__, "GET /", "a", 65536, "", "414" },
        { __LINE__, "GET /livez HTTP/1.1\r\n" HOST, "X: y\r\n", 99, "\r\n",
          "200" },
        { __LINE__, "GET /livez HTTP/1.1\r\n" HOST, "X: y\r\n", 100, "\r\n",
          "431" },
        { __LINE__, "GET /livez HTTP/1.1\r\n" HOST "X: ", "y", 16384 - 16,
          "\r\n\r\n", "200" },
        { __LINE__, "GET /livez HTTP/1.1\r\n" HOST "X: ", "y", 16384 - 15,
          "\r\n\r\n", "431" },
        { __LINE__, "GET /livez HTTP/1.1\r\n" HOST "X: ", "y", 200000, "",
          "431" },
        { __LINE__, "GET /livez HTTP/1.1\r\n" HOST, "y", 70000, "", "431" },
        { __LINE__, POST("Content-Length: 65536\r\n") "{", " ", 65534, "}",
          "200" },
        { __LINE__, POST("Content-Length: 65537\r\n") "{", " ", 65535, "}",
          "413" },
        { __LINE__, POST("Content-Length: 99999999\r\n") "{", " ", 300000, "",
          "413" },
        { __LINE__, POST(CHUNKED) "10000\r\n{", " ", 65534, "}\r\n0\r\n\r\n",
          "200" },
        { __LINE__, POST(CHUNKED) "8000\r\n{", " ", 32767, "\r\n8001\r\n",
          "413" },
        { __LINE__, POST(CHUNKED) "2;", "a", 253, "\r\n{}\r\n0\r\n\r\n",
          "200" },
        { __LINE__, POST(CHUNKED) "2;", "a", 254, "\r\n{}\r\n0\r\n\r\n",
          "400" },
        { __LINE__, POST(CHUNKED), "1\r\n \r\n", 60000, "2\r\n{}\r\n0\r\n\r\n",
          "200" },
        { __LINE__, POST(CHUNKED) "2\r\n{}\r\n0\r\n", "X: y\r\n", 682, "\r\n",
          "200" },
        { __LINE__, POST(CHUNKED) "2\r\n{}\r\n0\r\n", "X: y\r\n", 683, "\r\n",
          "431" },
        { __LINE__, "POST /v1/jobs/", "a", 512,
          "/tick HTTP/1.1\r\n" HOST "\r\n", "404" },
        { __LINE__, "POST /v1/jobs/", "a", 513,
          "/tick HTTP/1.1\r\n" HOST "\r\n", "400" },
    };

    bool are_right = true;
    fake_daemon daemon;
    char dir[64];
    size_t at, times;

    fake_daemon_init(&daemon);
    talk_place(&daemon, dir);
    fake_daemon_start(&daemon);
    for (at = 0; at < sizeof(rows) / sizeof(rows[0]); at++) {
        tj_buf text = TJ_BUF_INIT;

        tj__buf_append_text(&text, rows[at].before);
        for (times = 0; times < rows[at].times; times++)
            tj__buf_append_text(&text, rows[at].repeated);
        tj__buf_append_text(&text, rows[at].after);
        are_right &= judge(&daemon, text.data, text.size, text.size,
                           rows[at].answers, rows[at].line);
        are_right &= judge(&daemon, text.data, text.size, 1000,
                           rows[at].answers, rows[at].line);
        tj__buf_done(&text);
    }
    assert_true(are_right);
    fake_daemon_done(&daemon);
    talk_unplace(dir);
}

/* Errors are JSON with a code and a message, whoever made them, and a 405
 * says what would have been allowed. */
static void test_errors_are_json_with_a_code(void **state)
{
    static const struct {
        const char *bytes;
        const char *part;
    } rows[] = {
        { "x\r\n", "{\"error\":{\"code\":\"bad_request\",\"message\":\"" },
        { "GET /nowhere HTTP/1.1\r\n" HOST "\r\n",
          "{\"error\":{\"code\":\"not_found\",\"message\":\"there is nothing "
          "at /nowhere\"}}\n" },
        { "GET /v1/stop HTTP/1.1\r\n" HOST "\r\n", "Allow: POST\r\n" },
        { "POST /livez HTTP/1.1\r\n" HOST "\r\n", "Allow: GET, HEAD\r\n" },
        { "POST /v1/jobs/x/tick HTTP/1.1\r\n" HOST "\r\n",
          "\"code\":\"no_such_job\",\"message\":\"there is no job 'x'; did you "
          "mean 'readings'?\"" },
        { "POST /v1/pause?whi=x HTTP/1.1\r\n" HOST "\r\n",
          "there is no argument 'whi' here; did you mean 'why'?" },
        { POST("Content-Length: 3\r\n") "{\"}", "the body: line 1" },
    };

    fake_daemon daemon;
    char dir[64];
    size_t at;

    fake_daemon_init(&daemon);
    talk_place(&daemon, dir);
    fake_daemon_start(&daemon);
    for (at = 0; at < sizeof(rows) / sizeof(rows[0]); at++) {
        talker talk;

        talk_connect(&talk, &daemon);
        talk_say(&talk, rows[at].bytes, strlen(rows[at].bytes));
        if (!talk_hear(&talk, rows[at].part))
            fail_msg("'%s' is not in\n%s", rows[at].part, talk.heard.data);
        talk_close(&talk);
    }
    fake_daemon_done(&daemon);
    talk_unplace(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_request_gets_its_answer_however_it_is_cut),
        cmocka_unit_test(test_limits_hold_to_the_byte),
        cmocka_unit_test(test_errors_are_json_with_a_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
