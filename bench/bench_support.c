/* See bench_support.h. */
#include "bench_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double seconds(clockid_t id)
{
    struct timespec time;

    clock_gettime(id, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

double bench_now(void)
{
    return seconds(CLOCK_MONOTONIC);
}

double bench_cpu(void)
{
    return seconds(CLOCK_PROCESS_CPUTIME_ID);
}

void bench_add(bench_series *series, double value)
{
    if (series->count < BENCH_ROUNDS_MAX)
        series->values[series->count++] = value;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;

    return (a > b) - (a < b);
}

static bench_series sorted(const bench_series *series)
{
    bench_series copy = *series;

    qsort(copy.values, (size_t)copy.count, sizeof(double), compare);
    return copy;
}

double bench_median(const bench_series *series)
{
    bench_series copy = sorted(series);

    return copy.count ? copy.values[copy.count / 2] : 0;
}

double bench_spread(const bench_series *series)
{
    bench_series copy = sorted(series);
    double median = bench_median(series);

    return median > 0 ? (copy.values[copy.count - 1] - copy.values[0]) / median
                      : 0;
}

void bench_turns(double (*ours)(void *userdata),
                 double (*limit)(void *userdata),
                 void *userdata,
                 int rounds,
                 bench_series *ret_ours,
                 bench_series *ret_limit)
{
    int round;

    ret_ours->count = 0;
    ret_limit->count = 0;
    for (round = 0; round < rounds; round++) {
        bench_add(ret_ours, ours(userdata));
        bench_add(ret_limit, limit(userdata));
    }
}

void bench_print(const char *goal,
                 const char *name,
                 const char *unit,
                 int more_is_better,
                 const bench_series *ours,
                 const bench_series *limit)
{
    double a = bench_median(ours);
    double b = bench_median(limit);
    double ratio = more_is_better ? a / b : b / a;

    printf("{\"goal\":\"%s\",\"case\":\"%s\",\"unit\":\"%s\",\"ours\":%.6g,"
           "\"limit\":%.6g,\"ratio\":%.3f,\"spread\":%.3f}\n",
           goal, name, unit, a, b, ratio, bench_spread(ours));
    fflush(stdout);
}

void bench_print_one(const char *goal,
                     const char *name,
                     const char *unit,
                     double value)
{
    printf("{\"goal\":\"%s\",\"case\":\"%s\",\"unit\":\"%s\",\"ours\":%.6g}\n",
           goal, name, unit, value);
    fflush(stdout);
}
