/**
 * Frozen weights that stay in their mapped file, in the file's own type. Their operand is a table with a word of 64 bits for each row: the
 * machine address of the row in the lower 48 bits, the type in the upper ones (`../../tensors/mapped-matrix.ts` writes it). A row that ggml
 * has moved is just another address.
 *
 *   Q8_0          32 values: d, 32 bytes                            y = d·q
 *   Q4_0          32: d, 16 bytes                                   y = d·(q − 8)
 *   Q4_1          32: d, m, 16 bytes                                y = d·q + m
 *   Q4_K, Q5_K    256: d, m, 12 bytes of scales, (32,) 128 bytes    y = d·s·q − m·t      8 groups of 32; s, t of 6 bits each
 *   Q6_K          256: 128 bytes, 64 of upper bits, 16 scales, d    y = d·s·(q − 32)     16 groups of 16
 *
 * Products of d, s and q have at most 23 bits and are exact in float32; a difference of two of them is rounded once. So every value is the
 * float32 that `models/gguf/block-types.ts` decodes, and products of it have the bits of a float32 weight's.
 *
 * @see https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h
 */
#pragma once
#include "packing.h"
#ifndef __wasm__

/** Numbered as in `FILE_TYPES` of `../../tensors/mapped-matrix.ts`. */
enum { FILE_F32, FILE_F16, FILE_BF16, FILE_Q8_0, FILE_Q4_0, FILE_Q4_1, FILE_Q4_K, FILE_Q5_K, FILE_Q6_K };
#define EACH_FILE_TYPE(X) X(FILE_F16) X(FILE_BF16) X(FILE_Q8_0) X(FILE_Q4_0) X(FILE_Q4_1) X(FILE_Q4_K) X(FILE_Q5_K) X(FILE_Q6_K)

typedef struct {
  const uint8_t *at;
  int32_t type;
} FileRow;

INLINE FileRow file_row(const void *table, size_t row) {
  uint64_t entry;
  __builtin_memcpy(&entry, (const uint8_t *)table + 8 * row, 8);
  return (FileRow){(const uint8_t *)(uintptr_t)(entry & 0xffffffffffff), (int32_t)(entry >> 48)};
}

/** Bytes of a row of `count` values. */
INLINE size_t file_bytes(int type, size_t count) {
  switch (type) {
  case FILE_F32: return 4 * count;
  case FILE_Q8_0: return count / 32 * 34;
  case FILE_Q4_0: return count / 32 * 18;
  case FILE_Q4_1: return count / 32 * 20;
  case FILE_Q4_K: return count / 256 * 144;
  case FILE_Q5_K: return count / 256 * 176;
  case FILE_Q6_K: return count / 256 * 210;
  }
  return 2 * count;
}

/** Values that are read at once: a run of one scale in every type. */
enum { SIXTEEN = 16 };

INLINE float half_at(const uint8_t *p) {
  half x;
  __builtin_memcpy(&x, p, 2);
  return of_half(x);
}

/** Numbers of four bits each of sixteen bytes, the lower ones or the upper ones, as floats. */
INLINE void of_nibbles(const uint8_t *p, int upper, vec to[SIXTEEN / W]) {
  EACH(i, SIXTEEN / W) {
    const uvec x = words_of(p + i * W);
    to[i] = __builtin_convertvector((ivec)(upper ? x >> 4 : x & 15), vec);
  }
}

/** d·s and m·t of group g of a block of Q4_K or Q5_K. */
INLINE Head group_of(const uint8_t *block, int32_t g) {
  const uint8_t *bytes = block + 4;
  const int32_t scale = g < 4 ? bytes[g] & 63 : (bytes[g + 4] & 15) | bytes[g - 4] >> 6 << 4;
  const int32_t offset = g < 4 ? bytes[g + 4] & 63 : bytes[g + 4] >> 4 | bytes[g] >> 6 << 4;
  return (Head){half_at(block) * (float)scale, half_at(block + 2) * (float)offset};
}

/** Values p … p + 15 of a row, p a multiple of 16; `type` known to the compiler. */
INLINE void sixteen_of(int type, const uint8_t *row, int32_t p, vec to[SIXTEEN / W]) {
  if (type == FILE_F16) EACH(i, SIXTEEN / W) to[i] = of_halves((const half *)row + p + i * W);
  else if (type == FILE_BF16) {
    typedef uint16_t shorts __attribute__((vector_size(2 * W), aligned(2)));
    EACH(i, SIXTEEN / W) to[i] = (vec)(__builtin_convertvector(*(const shorts *)((const uint16_t *)row + p + i * W), uvec) << 16);
  } else if (type == FILE_Q8_0) {
    const uint8_t *block = row + p / 32 * 34;
    const float d = half_at(block);
    EACH(i, SIXTEEN / W) to[i] = d * of_bytes((const int8_t *)block + 2 + p % 32 + i * W);
  } else if (type == FILE_Q4_0 || type == FILE_Q4_1) {
    const int head = type == FILE_Q4_0 ? 2 : 4;
    const uint8_t *block = row + p / 32 * (head + 16);
    // −8·d is exact; a sum that is zero is +0 then, as it is in float32
    const float d = half_at(block), m = type == FILE_Q4_0 ? -8 * d : half_at(block + 2);
    of_nibbles(block + head, p % 32 >= 16, to);
    EACH(i, SIXTEEN / W) to[i] = d * to[i] + m;
  } else if (type == FILE_Q4_K || type == FILE_Q5_K) {
    const int bytes = type == FILE_Q4_K ? 144 : 176;
    const uint8_t *block = row + p / 256 * bytes;
    const int32_t g = p % 256 / 32, first = p % 32;
    const Head head = group_of(block, g);
    of_nibbles(block + bytes - 128 + g / 2 * 32 + first, g & 1, to);
    EACH(i, SIXTEEN / W) {
      if (type == FILE_Q5_K) {
        const uvec fifth = words_of(block + 16 + first + i * W) >> (uint32_t)g & 1;
        to[i] += 16 * __builtin_convertvector((ivec)fifth, vec);
      }
      to[i] = head.d * to[i] - head.m;
    }
  } else {
    const uint8_t *block = row + p / 256 * 210;
    const int32_t place = p % 256, run = place / 32, first = place % 32, half_block = run / 4;
    const uint8_t *low = block + half_block * 64 + (run & 1) * 32 + first, *high = block + 128 + half_block * 32 + first;
    const float d = half_at(block + 208) * (float)(int8_t)block[192 + place / 16];
    of_nibbles(low, run >> 1 & 1, to);
    EACH(i, SIXTEEN / W) {
      const uvec upper = words_of(high + i * W) >> (uint32_t)(2 * (run & 3)) & 3;
      to[i] = d * (to[i] + 16 * __builtin_convertvector((ivec)upper, vec) - splat(32));
    }
  }
}

/** Value p of a row of F16 or BF16, whose rows may end within a run. */
INLINE float one_of(int type, const uint8_t *row, int32_t p) {
  if (type == FILE_F16) return half_at(row + 2 * p);
  uint16_t x;
  __builtin_memcpy(&x, row + 2 * p, 2);
  union { uint32_t bits; float number; } own = {(uint32_t)x << 16};
  return own.number;
}

#define file_values SUFFIX(file_values)
/** Values first … first + count − 1 of a row as floats; `first` a multiple of 16. */
void file_values(FileRow row, int32_t first, int32_t count, float *to);

/** Where the rows of a table lie if they are float32 and follow each other as in a matrix; else NULL. */
INLINE const float *as_floats(const void *table, int32_t rows, int32_t columns) {
  const FileRow first = file_row(table, 0), last = file_row(table, rows - 1);
  // ggml's order of a head's rows moves the second one
  const FileRow second = file_row(table, rows > 1);
  const size_t bytes = 4 * (size_t)columns;
  return first.type == FILE_F32 && last.at == first.at + (rows - 1) * bytes && second.at == first.at + (rows > 1) * bytes
           ? (const float *)first.at
           : NULL;
}
#endif
