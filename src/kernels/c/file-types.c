/** Rows of mapped files as floats. */
#include "file-types.h"
#ifdef __wasm__
typedef int nothing_here;
#else

INLINE void values(int type, const uint8_t *row, int32_t first, int32_t count, float *to) {
  for (; count >= SIXTEEN; count -= SIXTEEN, first += SIXTEEN, to += SIXTEEN) {
    vec own[SIXTEEN / W];
    sixteen_of(type, row, first, own);
    EACH(i, SIXTEEN / W) store(to + i * W, own[i]);
  }
  if (count == 0) return;
  if (type == FILE_F16 || type == FILE_BF16) {
    for (int32_t i = 0; i < count; i++) to[i] = one_of(type, row, first + i);
    return;
  }
  // the rest of a block is there
  float rest[SIXTEEN];
  vec own[SIXTEEN / W];
  sixteen_of(type, row, first, own);
  EACH(i, SIXTEEN / W) store(rest + i * W, own[i]);
  copy(to, rest, count);
}

#define VALUES(type) APART void values_of_##type(const uint8_t *row, int32_t first, int32_t count, float *to) { values(type, row, first, count, to); }
EACH_FILE_TYPE(VALUES)

void file_values(FileRow row, int32_t first, int32_t count, float *to) {
  switch (row.type) {
#define CASE(type)                                                                                                      \
  case type: return values_of_##type(row.at, first, count, to);
    EACH_FILE_TYPE(CASE)
  }
  copy(to, (const float *)row.at + first, count);
}
#endif
