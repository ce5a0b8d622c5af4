/* What the benchmarks share: rounds in which ours and its yardstick take
 * turns, the median of them, and one JSON object a line as the result. */
#ifndef BENCH_BENCH_SUPPORT_H
#define BENCH_BENCH_SUPPORT_H

#include <stdint.h>

#define BENCH_ROUNDS_MAX 64

/* The monotonic clock and this process's CPU time, in seconds. */
double bench_now(void);
double bench_cpu(void);

typedef struct bench_series {
    double values[BENCH_ROUNDS_MAX];
    int count;
} bench_series;

void bench_add(bench_series *series, double value);
double bench_median(const bench_series *series);
/* (largest - smallest) / median. */
double bench_spread(const bench_series *series);

/* Call `ours` and `limit` in turns, `rounds` times each; every call returns
 * its figure. */
void bench_turns(double (*ours)(void *userdata),
                 double (*limit)(void *userdata),
                 void *userdata,
                 int rounds,
                 bench_series *ret_ours,
                 bench_series *ret_limit);

/* Print {"goal","case","unit","ours","limit","ratio","spread"}. `ratio` is
 * ours / limit for figures where more is better, and limit / ours where less
 * is: 1 means as good as the limit, more is better. */
void bench_print(const char *goal,
                 const char *name,
                 const char *unit,
                 int more_is_better,
                 const bench_series *ours,
                 const bench_series *limit);

/* Print a figure that stands alone. */
void bench_print_one(const char *goal,
                     const char *name,
                     const char *unit,
                     double value);

#endif
