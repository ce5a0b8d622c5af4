/* The printer of log entries: one JSON object a line, the seven base keys
 * first and in their order, then the details' own keys, as the reference's
 * JSON.stringify prints them.
 *
 * Two ways lead to a line. Those that the engine writes all the time are made
 * of pieces: bytes that were printed once and are copied from then on, in
 * whole blocks, past their end if need be. Everything else, with texts and
 * details of unknown size, is printed by tj__log_line_print. */
#ifndef TJ_BASE_LOG_LINE_H
#define TJ_BASE_LOG_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <timedjobs/json.h>

#include "base/buf.h"

#define TJ_PIECE_BLOCK 16
/* How many bytes must be readable from a piece's start on, and writable where
 * it is put. */
#define TJ_PIECE_SPACE(size) \
    (((size) + TJ_PIECE_BLOCK) / TJ_PIECE_BLOCK * TJ_PIECE_BLOCK)

/* Bytes with slack behind them: TJ_PIECE_SPACE(size) are readable. */
typedef struct tj_piece {
    const char *text;
    size_t size;
} tj_piece;

/* A piece of text that is known when compiling, at most 63 bytes. */
#define TJ_PIECE_LITERAL_SIZE 64
#define TJ_PIECE_LITERAL(name, literal)                             \
    static const char name##_text[TJ_PIECE_LITERAL_SIZE] = literal; \
    static const tj_piece name = { name##_text, sizeof(literal) - 1 }

/* Put a piece at `at` and return its end. Writes up to TJ_PIECE_BLOCK bytes
 * more than that. */
static inline char *tj__piece_put(char *at, tj_piece piece)
{
    size_t done = 0;

    do {
        memcpy(at + done, piece.text + done, TJ_PIECE_BLOCK);
        done += TJ_PIECE_BLOCK;
    } while (done < piece.size);
    return at + piece.size;
}

/* `{"batch_id":"…","duration_ms":`, kept for all lines of a batch. */
#define TJ_LOG_BATCH_ID_MAX 128

typedef struct tj_log_head {
    char text[TJ_PIECE_SPACE(TJ_LOG_BATCH_ID_MAX + 32)];
    size_t size; /* 0 before the first use */
} tj_log_head;

/* Make the head of a batch. The id is at most TJ_LOG_BATCH_ID_MAX bytes, none
 * of which needs an escape. */
void tj__log_head_set(tj_log_head *head, const char *batch_id, size_t size);

static inline tj_piece tj__log_head_piece(const tj_log_head *head)
{
    return (tj_piece){ head->text, head->size };
}

/* Append `,"runner":"…","stage":` for a runner's name. */
void tj__log_line_name(tj_buf *buf, const char *name, size_t size);

/* An entry of any kind. */
typedef struct tj_log_entry {
    tj_piece head;      /* of its batch */
    tj_piece name;      /* of its runner */
    tj_piece ts;        /* "2026-04-01T08:00:00.000Z", no quotes */
    double duration_ms; /* not finite prints null */
    const char *error;  /* NULL or "" prints null */
    const char *result; /* NULL prints null */
    const char *stage;
    const tj_json *details; /* NULL or an object; others print nothing */
    tj_piece tail; /* more members, a comma before each; .size 0 for none */
} tj_log_entry;

/* Append the whole line with its newline, or nothing. A detail whose key is
 * one of the base keys is kept as "details.<key>", with as many prefixes more
 * as it takes to be alone. False when there is no memory or the cap of `buf`
 * is reached; `buf` can be used on. */
bool tj__log_line_print(tj_buf *buf, const tj_log_entry *entry);

/* The most that tj__log_line_print_short appends. */
#define TJ_LOG_LINE_SHORT_MAX 16384

/* Append what stands in for a line that could not be printed: its base keys,
 * texts cut to 256 bytes, no details, and `"log_loss"` with the reason. Into a
 * buffer that has room for TJ_LOG_LINE_SHORT_MAX bytes it never fails. */
bool tj__log_line_print_short(tj_buf *buf, const tj_log_entry *entry);

#endif
