/* Times as people say them. The only place of the project that asks the C
 * library for local time: a short program with one thread may. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/iso_time.h"
#include "cli/output.h"

int64_t cli_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void cli_append_duration(tj_buf *buf, int64_t duration_ms)
{
    int64_t seconds = duration_ms / 1000;

    if (duration_ms < 1000)
        tj__buf_printf(buf, "%d ms", (int)duration_ms);
    else if (seconds < 10 && duration_ms % 1000 >= 100)
        tj__buf_printf(buf, "%d.%d s", (int)seconds,
                       (int)(duration_ms % 1000 / 100));
    else if (seconds < 60)
        tj__buf_printf(buf, "%d s", (int)seconds);
    else if (seconds < 3600 && seconds % 60)
        tj__buf_printf(buf, "%d m %d s", (int)(seconds / 60),
                       (int)(seconds % 60));
    else if (seconds < 3600)
        tj__buf_printf(buf, "%d m", (int)(seconds / 60));
    else if (seconds < 86400 && seconds % 3600 >= 60)
        tj__buf_printf(buf, "%d h %d m", (int)(seconds / 3600),
                       (int)(seconds % 3600 / 60));
    else if (seconds < 86400)
        tj__buf_printf(buf, "%d h", (int)(seconds / 3600));
    else if (seconds % 86400 >= 3600)
        tj__buf_printf(buf, "%lld d %d h", (long long)(seconds / 86400),
                       (int)(seconds % 86400 / 3600));
    else
        tj__buf_printf(buf, "%lld d", (long long)(seconds / 86400));
}

void cli_append_relative(tj_buf *buf, int64_t then_ms, int64_t now_ms)
{
    int64_t ahead_ms = then_ms - now_ms;

    if (ahead_ms > -1000 && ahead_ms < 1000) {
        tj__buf_append_text(buf, "now");
    } else if (ahead_ms > 0) {
        tj__buf_append_text(buf, "in ");
        cli_append_duration(buf, ahead_ms / 1000 * 1000);
    } else {
        cli_append_duration(buf, -ahead_ms / 1000 * 1000);
        tj__buf_append_text(buf, " ago");
    }
}

void cli_append_local_time(tj_buf *buf, int64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm when;
    char text[64];

    if (!localtime_r(&seconds, &when) ||
        !strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &when))
        snprintf(text, sizeof(text), "?");
    tj__buf_append_text(buf, text);
}

static bool parse_local(const char *text, const char *format, struct tm *when)
{
    const char *end = strptime(text, format, when);

    return end && !*end;
}

bool cli_parse_time(const char *text, int64_t now_ms, int64_t *ret_wall_ms)
{
    time_t now = (time_t)(now_ms / 1000);
    struct tm when;
    bool is_clock;
    time_t then;

    if (tj__iso_time_parse(text, strlen(text), ret_wall_ms))
        return true;
    if (!localtime_r(&now, &when))
        return false;
    when.tm_sec = 0;
    is_clock = parse_local(text, "%H:%M", &when);
    if (!is_clock && !parse_local(text, "%Y-%m-%d %H:%M", &when) &&
        !parse_local(text, "%Y-%m-%d %H:%M:%S", &when))
        return false;
    when.tm_isdst = -1;
    then = mktime(&when);
    if (is_clock && then <= now) {
        when.tm_mday++;
        when.tm_isdst = -1;
        then = mktime(&when);
    }
    *ret_wall_ms = (int64_t)then * 1000;
    return then != (time_t)-1;
}
