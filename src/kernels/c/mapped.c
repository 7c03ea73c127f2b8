/**
 * Files mapped into memory, read-only.
 *
 *   map_file(path, bytes) → address, or NULL; `map_error` then says why
 *   unmap_file(address, bytes)
 *
 * A file that becomes shorter under its mapping makes the system send SIGBUS to whoever reads beyond its end: a kernel, in any thread. Then one
 * sentence names the file and the process ends with exit code 1; at other addresses the runtime's handler is called. Not on Windows, whose
 * library has no C library.
 */
#ifndef _WIN32
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

typedef struct Mapping {
  const uint8_t *at;
  size_t bytes;
  struct Mapping *next;
  char path[];
} Mapping;

/** The handler reads the list in any thread; one thread alone changes it. */
static Mapping *_Atomic mappings = NULL;
static struct sigaction before;
static const char *reason = "";

static void say(const char *text) {
  const ssize_t sent [[gnu::unused]] = write(2, text, strlen(text));
}

static void on_bus_error(int signal, siginfo_t *info, void *context) {
  for (const Mapping *own = mappings; own != NULL; own = own->next) {
    const uint8_t *at = info->si_addr;
    if (at < own->at || at >= own->at + own->bytes) continue;
    say("\nERROR\n  ");
    say(own->path);
    say(": became shorter while its weights were in use; restore the file and start again (--resume continues a run from its last checkpoint)\n");
    _exit(1);
  }
  if (before.sa_flags & SA_SIGINFO) before.sa_sigaction(signal, info, context);
  else if (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN) sigaction(signal, &before, NULL);
  else before.sa_handler(signal);
}

/** A runtime may set its own handler at any time before. */
static int handle(void) {
  struct sigaction now, own = {0};
  if (sigaction(SIGBUS, NULL, &now) != 0) return 0;
  if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_bus_error) return 1;
  before = now;
  own.sa_sigaction = on_bus_error;
  own.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&own.sa_mask);
  return sigaction(SIGBUS, &own, NULL) == 0;
}

static void *failed(const char *why, Mapping *own, int file) {
  reason = why;
  free(own);
  if (file >= 0) close(file);
  return NULL;
}

EXPORTED void *map_file(const char *path, uint64_t bytes) {
  const size_t length = strlen(path) + 1;
  Mapping *own = malloc(sizeof(Mapping) + length);
  if (own == NULL) return failed("out of memory", own, -1);
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return failed(strerror(errno), own, file);
  struct stat now;
  if (fstat(file, &now) != 0) return failed(strerror(errno), own, file);
  if ((uint64_t)now.st_size != bytes) return failed("its size changed since its header was read", own, file);
  void *at = mmap(NULL, bytes, PROT_READ, MAP_SHARED, file, 0);
  if (at == MAP_FAILED) return failed(strerror(errno), own, file);
  close(file);
  *own = (Mapping){at, bytes, mappings};
  memcpy(own->path, path, length);
  mappings = own;
  if (!handle()) {
    munmap(at, bytes);
    mappings = own->next;
    return failed("no handler of SIGBUS can be set", own, -1);
  }
  return at;
}

EXPORTED const char *map_error(void) { return reason; }

EXPORTED void unmap_file(void *at, uint64_t bytes) {
  munmap(at, bytes);
  // an entry stays allocated: another thread's handler may be reading it
  for (Mapping *own = mappings, *previous = NULL; own != NULL; previous = own, own = own->next) {
    if (own->at != at) continue;
    if (previous == NULL) mappings = own->next;
    else previous->next = own->next;
    return;
  }
}
#else
typedef int nothing_here;
#endif
