/**
 * The library as a module of Node, which has no foreign-function interface: what the stderr of a process is exchanged with. Node's own
 * `fs` cannot: a file that is opened again by /proc/self/fd is not the same open file, and has another place in it. On Linux.
 *
 *   dup(descriptor), dup2(from, to) → a descriptor, or −1
 *
 * Node's functions are weak: Bun and Deno, which open the library by other ways, need none of them.
 */
#if defined(__linux__)
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

typedef struct environment *Environment;
typedef struct value *Value;
typedef struct call *Call;
typedef Value (*Function)(Environment, Call);

// of Node's js_native_api.h; each returns 0 where it has done what it was asked
#define NODE __attribute__((weak)) extern int
NODE napi_get_cb_info(Environment, Call, size_t *count, Value *arguments, Value *self, void **data);
NODE napi_get_value_int32(Environment, Value, int32_t *);
NODE napi_create_int32(Environment, int32_t, Value *);
NODE napi_create_function(Environment, const char *name, size_t length, Function, void *data, Value *);
NODE napi_set_named_property(Environment, Value object, const char *name, Value);

/** `count` whole numbers, the arguments of a call. −1, which is no descriptor, in the place of what is none. */
static void numbers(Environment node, Call call, size_t count, int32_t *found) {
  Value arguments[2] = {NULL, NULL};
  size_t given = count;
  napi_get_cb_info(node, call, &given, arguments, NULL, NULL);
  for (size_t i = 0; i < count; i++)
    if (i >= given || napi_get_value_int32(node, arguments[i], &found[i]) != 0) found[i] = -1;
}

static Value number(Environment node, int32_t value) {
  Value made = NULL;
  napi_create_int32(node, value, &made);
  return made;
}

static Value duplicate(Environment node, Call call) {
  int32_t from;
  numbers(node, call, 1, &from);
  return number(node, dup(from));
}

static Value duplicate_to(Environment node, Call call) {
  int32_t both[2];
  numbers(node, call, 2, both);
  return number(node, dup2(both[0], both[1]));
}

static void add(Environment node, Value module, const char *name, Function function) {
  Value made = NULL;
  if (napi_create_function(node, name, SIZE_MAX, function, NULL, &made) == 0)
    napi_set_named_property(node, module, name, made);
}

/** Node calls it once for each of its threads that opens the library. */
__attribute__((visibility("default"))) Value napi_register_module_v1(Environment node, Value module) {
  add(node, module, "dup", duplicate);
  add(node, module, "dup2", duplicate_to);
  return module;
}
#else
typedef int nothing_here;
#endif
