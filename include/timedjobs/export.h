/* Markers that the public headers share. They change nothing about a call
 * but what the compiler is told of it. */
#ifndef TIMEDJOBS_EXPORT_H
#define TIMEDJOBS_EXPORT_H

#if defined(__GNUC__) || defined(__clang__)
#    define TJ_EXPORT __attribute__((visibility("default")))
#    define TJ_PRINTF(format_index, first_argument) \
        __attribute__((format(printf, format_index, first_argument)))
#    define TJ_MUST_CHECK __attribute__((warn_unused_result))
#else
#    define TJ_EXPORT
#    define TJ_PRINTF(format_index, first_argument)
#    define TJ_MUST_CHECK
#endif

#endif
