/* From a START to a running command.
 *
 * The child is made by a plain fork, not by vfork: between fork and exec it
 * may have to wait for a file system that does not answer (its directory, its
 * binary), and the warden has deadlines to keep meanwhile. The warden is
 * small, so a fork costs little. Nobody waits for the exec to succeed: a step
 * that fails is written to shared memory, and is read when the child has
 * exited.
 *
 * The warden's own signal dispositions are all default (main.c sees to that)
 * and its descriptors are all close-on-exec, so a command inherits neither. */
#include "warden/main/warden.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_NOT_STARTED 127

static _Noreturn void
child_fail(struct start_failure *failure, enum wire_step step, int error)
{
    failure->error = error;
    failure->step = (int)step;
    _exit(EXIT_NOT_STARTED);
}

/* The descriptors of the message are all above WIRE_SOCKET_FD, so none of the
 * four places is taken by one that is still needed. */
static bool child_descriptors(const struct warden *w)
{
    for (int i = 0; i < WIRE_RUN_FDS; i++) {
        int fd = w->result_fds[i];

        if (fd < 0 && i < 3)
            fd = w->null_fd;
        if (fd < 0)
            close(i); /* no result descriptor was asked for */
        else if (dup2(fd, i) < 0)
            return false;
    }
    /* All of ours are close-on-exec; this is for what nobody thought of. */
    close_range(WIRE_RUN_FDS, ~0U, 0);
    return true;
}

/* A command must not inherit the warden's protection from the OOM killer. */
static bool child_restore_oom_score(const struct warden *w)
{
    char text[8];
    size_t size = 0;
    int score = w->oom_score < 0 ? -w->oom_score : w->oom_score;
    char digits[8];
    size_t n = 0;
    bool ok;
    int fd;

    if (!w->oom_lowered)
        return true;
    fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    if (w->oom_score < 0)
        text[size++] = '-';
    do {
        digits[n++] = (char)('0' + score % 10);
        score /= 10;
    } while (score > 0);
    while (n > 0)
        text[size++] = digits[--n];
    ok = write(fd, text, size) == (ssize_t)size;
    close(fd);
    return ok;
}

static const char *path_of(char *const *environment)
{
    for (; *environment; environment++) {
        if (strncmp(*environment, "PATH=", 5) == 0)
            return *environment + 5;
    }
    return "/usr/local/bin:/usr/bin:/bin";
}

/* execve says ENOENT also for a script whose interpreter is missing. */
static enum wire_step child_exec_file(const char *file,
                                      char *const *arguments,
                                      char *const *environment)
{
    enum wire_step step = WIRE_STEP_EXEC;
    int error;

    execve(file, arguments, environment);
    error = errno;
    if (error == ENOENT && access(file, F_OK) == 0)
        step = WIRE_STEP_INTERPRETER;
    errno = error;
    return step;
}

/* Try the name in each directory of PATH, as execvpe does, but never fall
 * back to a shell for a file without a known format. Returns the step that
 * failed, with errno. */
static enum wire_step child_exec_path(const char *name,
                                      char *const *arguments,
                                      char *const *environment)
{
    const char *path = path_of(environment);
    size_t name_size = strlen(name) + 1;
    int error = ENOENT;
    char file[PATH_MAX];

    while (path) {
        const char *end = strchrnul(path, ':');
        size_t size = (size_t)(end - path);
        enum wire_step step;

        if (size + 1 + name_size <= sizeof(file)) {
            memcpy(file, path, size);
            if (size > 0)
                file[size++] = '/';
            memcpy(file + size, name, name_size);
            step = child_exec_file(file, arguments, environment);
            if (step == WIRE_STEP_INTERPRETER)
                return step;
            if (errno == EACCES)
                error = EACCES;
            else if (errno != ENOENT && errno != ENOTDIR)
                return step;
        }
        path = *end ? end + 1 : NULL;
    }
    errno = error;
    return WIRE_STEP_EXEC;
}

static enum wire_step child_exec(char *const *arguments,
                                 char *const *environment)
{
    if (strchr(arguments[0], '/'))
        return child_exec_file(arguments[0], arguments, environment);
    return child_exec_path(arguments[0], arguments, environment);
}

static void child_unblock_signals(void)
{
    sigset_t none;

    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void child_run(const struct warden *w,
                                const struct wire_start *start,
                                const char *directory,
                                char *const *arguments,
                                char *const *environment,
                                struct start_failure *failure)
{
    enum wire_step step;

    /* First: should the warden die, this process dies with it. If it has
     * died already, nobody would tell. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        child_fail(failure, WIRE_STEP_PARENT, errno);
    if (getppid() != w->pid)
        child_fail(failure, WIRE_STEP_PARENT, ESRCH);
    if (setsid() < 0)
        child_fail(failure, WIRE_STEP_SESSION, errno);
    if (!child_restore_oom_score(w))
        child_fail(failure, WIRE_STEP_OOM_SCORE, errno);
    if (!child_descriptors(w))
        child_fail(failure, WIRE_STEP_DESCRIPTORS, errno);
    if (start->umask >= 0)
        umask((mode_t)start->umask);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        child_fail(failure, WIRE_STEP_PRIVILEGES, errno);
    if (directory && chdir(directory) != 0)
        child_fail(failure, WIRE_STEP_DIRECTORY, errno);
    child_unblock_signals();
    step = child_exec(arguments, environment);
    child_fail(failure, step, errno);
}

pid_t warden_spawn(struct warden *w,
                   const struct wire_start *start,
                   const char *directory,
                   char *const *arguments,
                   char *const *environment,
                   struct start_failure *failure)
{
    pid_t pid;

    failure->step = WIRE_STEP_NONE;
    failure->error = 0;
    pid = _Fork();
    if (pid == 0)
        child_run(w, start, directory, arguments, environment, failure);
    return pid;
}

pid_t warden_spawn_release(struct warden *w, char *const *arguments)
{
    pid_t pid = _Fork();

    if (pid != 0)
        return pid;
    setsid();
    child_restore_oom_score(w);
    dup2(w->null_fd, 0);
    dup2(w->null_fd, 1); /* what it has to say goes to standard error */
    close_range(3, ~0U, 0);
    child_unblock_signals();
    execve(arguments[0], arguments, environ);
    _exit(EXIT_NOT_STARTED);
}
