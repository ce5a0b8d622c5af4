/* A client for tests that says any bytes, in any portions. The server turns
 * on the same thread, so nothing waits for the time of day. */
#ifndef TEST_TALK_H
#define TEST_TALK_H

#include "base/buf.h"
#include "fake_daemon.h"

typedef struct talker {
    fake_daemon *daemon;
    int fd;
    tj_buf heard;
    bool is_over; /* the server has closed */
} talker;

/* Make a directory for one test and put the socket's path into the options. */
void talk_place(fake_daemon *daemon, char dir[64]);
void talk_unplace(const char *dir);

void talk_connect(talker *talk, fake_daemon *daemon);
void talk_say(talker *talk, const char *bytes, size_t size);
/* Say no more (half-close). */
void talk_finish(talker *talk);
/* Turn and read until the server closed (true), or `text` was heard (NULL:
 * only the end counts). False after ten seconds without it. */
bool talk_hear(talker *talk, const char *text);
/* Turn a few times and read what is there. */
void talk_turn(talker *talk);
void talk_close(talker *talk);

/* The statuses of the final answers that were heard, "200 400"; "?" for what is
 * no answer, "<" behind one that is cut. */
void talk_statuses(const talker *talk, char text[128]);

/* The test fails unless these were heard. */
void talk_expect(const talker *talk, const char *statuses);
void talk_say_text(talker *talk, const char *text);

/* A daemon with a place of its own. */
typedef struct talk_scene {
    fake_daemon daemon;
    char dir[64];
} talk_scene;

/* As fake_daemon_init and fake_daemon_done; the latter fails when the socket's
 * file is left. */
void talk_scene_open(talk_scene *scene);
void talk_scene_close(talk_scene *scene);
control_server_stats talk_stats(const talk_scene *scene);
/* Turn until the server has so many connections; fails if it never has. */
void talk_turn_until(talk_scene *scene, size_t n_connections);

#endif
