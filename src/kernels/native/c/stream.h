/** Stores past the caches: of what nobody reads before the caches have forgotten it. A line that is written whole is then not read first. */
#pragma once
#include "heap.h"

/** `count` floats from a place in the cache. */
INLINE void stream(const float *from, int32_t count, float *to) {
  const int32_t before = least(count, (int32_t)((-(uintptr_t)to % sizeof(vec)) / sizeof(float)));
  store_part(to, load_part(from, before), before);
  int32_t i = before;
  for (; i + W <= count; i += W) __builtin_nontemporal_store(load(from + i), (vec *)(to + i));
  store_part(to + i, load_part(from + i, count - i), count - i);
}

/** To be called before others read what has been streamed. */
INLINE void end_of_stream(void) {
#if defined(__x86_64__)
  __builtin_ia32_sfence();
#endif
}
