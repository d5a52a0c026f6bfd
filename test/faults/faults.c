/*
 * Loaded into a process by LD_PRELOAD: counts its calls of the system on files below one folder, across all of
 * its threads, and lets one of them (or all from there on) fail, fall short, or be the last thing it does.
 * strace cannot do that: it counts for each thread apart, and cannot be limited to what lies below a folder.
 *
 *   FAULTS_FOLDER  real path; FAULTS_CALLS  "change" or "read"; FAULTS_LOG  gets a line for every counted call
 *   FAULTS_AT      number of the call, from 1; FAULTS_LASTING  set: also all later ones
 *   FAULTS_DO      "kill" before the call | "torn": kill after half of a write | "short": half of a write, no
 *                  error | a number: that errno, and the call is not made
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST_FILES 65536

enum class_of_call { CHANGE, READ };
enum verdict { GO, SHORTEN, FAIL };

static const char *folder, *deed;
static size_t folder_length;
static enum class_of_call counted_class;
static long at, lasting;
static int log_file = -1;
static atomic_long count;
/* Paths of open files below the folder. */
static char *_Atomic paths[MOST_FILES];

#define REAL(name) \
  static __typeof__(&name) real; \
  if (real == NULL) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void) {
  folder = getenv("FAULTS_FOLDER");
  if (folder == NULL) return;
  folder_length = strlen(folder);
  const char *calls = getenv("FAULTS_CALLS"), *when = getenv("FAULTS_AT"), *log = getenv("FAULTS_LOG");
  counted_class = calls != NULL && strcmp(calls, "read") == 0 ? READ : CHANGE;
  at = when == NULL ? 0 : atol(when);
  lasting = getenv("FAULTS_LASTING") != NULL;
  deed = getenv("FAULTS_DO");
  REAL(open64);
  if (log != NULL) log_file = real(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int below(const char *path) {
  return folder != NULL && path != NULL && strncmp(path, folder, folder_length) == 0 &&
         (path[folder_length] == '/' || path[folder_length] == 0);
}

/*
 * libuv closes by a raw system call, which is not seen here, and the number may have become that of a pipe by which the
 * threads wake each other: so the system is asked again.
 */
static const char *path_of(int file) {
  if (file < 0 || file >= MOST_FILES || paths[file] == NULL) return NULL;
  char link[40], now[4097];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, now, sizeof now - 1);
  now[length < 0 ? 0 : length] = 0;
  if (!below(now)) paths[file] = NULL;
  return paths[file];
}

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

/* Counts a call on a file below the folder and says what is to become of it. */
static enum verdict judge(enum class_of_call class, const char *call, const char *path) {
  if (class != counted_class || !below(path)) return GO;
  long number = atomic_fetch_add(&count, 1) + 1;
  if (log_file >= 0) {
    char line[4600];
    int length = snprintf(line, sizeof line, "%ld %s %.4096s\n", number, call, path + folder_length);
    REAL(write);
    if (real(log_file, line, (size_t)length) < 0) abort();
  }
  if (at == 0 || deed == NULL || !(number == at || (lasting && number > at))) return GO;
  if (strcmp(deed, "kill") == 0) die();
  if (strcmp(deed, "torn") == 0 || strcmp(deed, "short") == 0) return SHORTEN;
  errno = atoi(deed);
  return FAIL;
}

static void after(enum verdict verdict) {
  if (verdict == SHORTEN && strcmp(deed, "torn") == 0) die();
}

static size_t cut(enum verdict verdict, size_t bytes) {
  return verdict == SHORTEN && bytes > 1 ? bytes / 2 : bytes;
}

static int remember(int file, const char *path) {
  if (file >= 0 && file < MOST_FILES && below(path)) paths[file] = strdup(path);
  return file;
}

#define OPEN(name, parameters, call) \
  int name parameters { \
    mode_t mode = 0; \
    if (flags & O_CREAT) { \
      va_list rest; \
      va_start(rest, flags); \
      mode = va_arg(rest, mode_t); \
      va_end(rest); \
    } \
    REAL(name); \
    enum class_of_call class = flags & (O_CREAT | O_TRUNC) ? CHANGE : READ; \
    if (judge(class, "open", path) == FAIL) return -1; \
    return remember(call, path); \
  }
OPEN(open, (const char *path, int flags, ...), real(path, flags, mode))
OPEN(open64, (const char *path, int flags, ...), real(path, flags, mode))
OPEN(openat, (int at_folder, const char *path, int flags, ...), real(at_folder, path, flags, mode))
OPEN(openat64, (int at_folder, const char *path, int flags, ...), real(at_folder, path, flags, mode))

#define TRANSFER(class, name, parameters, call) \
  ssize_t name parameters { \
    REAL(name); \
    enum verdict verdict = judge(class, #name, path_of(file)); \
    if (verdict == FAIL) return -1; \
    ssize_t done = call; \
    after(verdict); \
    return done; \
  }
TRANSFER(CHANGE, write, (int file, const void *from, size_t bytes), real(file, from, cut(verdict, bytes)))
TRANSFER(CHANGE, pwrite, (int file, const void *from, size_t bytes, off_t offset),
         real(file, from, cut(verdict, bytes), offset))
TRANSFER(CHANGE, pwrite64, (int file, const void *from, size_t bytes, off64_t offset),
         real(file, from, cut(verdict, bytes), offset))
TRANSFER(CHANGE, writev, (int file, const struct iovec *from, int parts), real(file, from, parts))
TRANSFER(CHANGE, pwritev64, (int file, const struct iovec *from, int parts, off64_t offset),
         real(file, from, parts, offset))
TRANSFER(CHANGE, sendfile64, (int file, int from, off64_t *offset, size_t bytes),
         real(file, from, offset, bytes))
TRANSFER(CHANGE, copy_file_range,
         (int from, off64_t *from_offset, int file, off64_t *offset, size_t bytes, unsigned flags),
         real(from, from_offset, file, offset, bytes, flags))
TRANSFER(READ, read, (int file, void *to, size_t bytes), real(file, to, bytes))
TRANSFER(READ, pread64, (int file, void *to, size_t bytes, off64_t offset), real(file, to, bytes, offset))
TRANSFER(READ, preadv64, (int file, const struct iovec *to, int parts, off64_t offset),
         real(file, to, parts, offset))

#define CALL(name, parameters, path, call) \
  int name parameters { \
    REAL(name); \
    return judge(CHANGE, #name, path) == FAIL ? -1 : call; \
  }
CALL(fsync, (int file), path_of(file), real(file))
CALL(fdatasync, (int file), path_of(file), real(file))
CALL(ftruncate, (int file, off_t bytes), path_of(file), real(file, bytes))
CALL(ftruncate64, (int file, off64_t bytes), path_of(file), real(file, bytes))
CALL(posix_fallocate64, (int file, off64_t from, off64_t bytes), path_of(file), real(file, from, bytes))
CALL(fchmod, (int file, mode_t mode), path_of(file), real(file, mode))
CALL(chmod, (const char *path, mode_t mode), path, real(path, mode))
CALL(mkdir, (const char *path, mode_t mode), path, real(path, mode))
CALL(rmdir, (const char *path), path, real(path))
CALL(unlink, (const char *path), path, real(path))
CALL(rename, (const char *path, const char *to), path, real(path, to))
CALL(link, (const char *from, const char *path), path, real(from, path))
CALL(symlink, (const char *from, const char *path), path, real(from, path))
