/** Products in bfloat16; what they are in `bfloat16.h`. */
#include "bfloat16.h"
#include "file-types.h"
#include "packing.h"
#include "tiles.h"

#if W == 16
#include <immintrin.h>
#pragma clang attribute push(__attribute__((target("avx512bf16,amx-tile,amx-bf16"))), apply_to = function)
#elif defined(__aarch64__)
#include <arm_neon.h>
#pragma clang attribute push(__attribute__((target("bf16"))), apply_to = function)
#endif

#if W == 16 || defined(__aarch64__)

/** Terms of a pair, which is a word of 32 bits. */
enum { PAIR = 2 };
/** Rows and terms of a tile of A, as wide as AMX has them, and its words. */
enum { HIGH = 16, DEEP = 32, TILE = HIGH * DEEP / PAIR };
/** Terms of a block, as in `../native/product-cuts.ts`: a panel of B stays in the first caches. */
enum { MOST_TERMS = 1024 };
/** Terms of B's rows that are read at once. */
enum { PART = 128 };

typedef uvec loose_words __attribute__((aligned(4)));
INLINE uvec load_words(const uint32_t *p) { return *(const loose_words *)p; }
INLINE void store_words(uint32_t *p, uvec x) { *(loose_words *)p = x; }

#if W == 16
/** Numbers of `low` in the lower halves of words, those of `high` in the upper ones. */
INLINE uvec paired(vec low, vec high) {
  typedef uint16_t shorts __attribute__((vector_size(64)));
  const shorts both = (shorts)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
  return (uvec)__builtin_shufflevector(both, both, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23, 8, 24, 9, 25, 10, 26, 11, 27,
                                       12, 28, 13, 29, 14, 30, 15, 31);
}
/** 2·W numbers that follow each other. */
INLINE uvec pairs_at(const float *p) { return (uvec)_mm512_cvtne2ps_pbh((__m512)load(p + W), (__m512)load(p)); }
/** sum + Σ over pairs; `x` is one pair */
INLINE vec plus_pairs(vec sum, uint32_t x, uvec y) { return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)splat_word(x), (__m512bh)y); }
#else
INLINE uvec rounded(vec x) { return __builtin_convertvector((uint16x4_t)vcvt_bf16_f32(x), uvec); }
INLINE uvec paired(vec low, vec high) { return rounded(low) | rounded(high) << 16; }
INLINE uvec pairs_at(const float *p) {
  const float32x4x2_t both = vld2q_f32(p);
  return paired(both.val[0], both.val[1]);
}
INLINE vec plus_pairs(vec sum, uint32_t x, uvec y) { return vbfdotq_f32(sum, (bfloat16x8_t)splat_word(x), (bfloat16x8_t)y); }
#endif

/** DEEP numbers, of which `count` are there; the others are 0. */
INLINE void round_terms(const float *from, int32_t count, uint32_t *to) {
  float rest[DEEP];
  if (count < DEEP) {
    for (int32_t p = 0; p < DEEP; p++) rest[p] = p < count ? from[p] : 0;
    from = rest;
  }
  EACH(i, DEEP / PAIR / W) store_words(to + i * W, pairs_at(from + i * PAIR * W));
}

/** Rows of A → tiles [rows / HIGH, terms / DEEP, HIGH, DEEP]. */
APART void pack_left(const float *a, size_t lda, int32_t rows, int32_t terms, uint32_t *to) {
  for (int32_t first = 0; first < rows; first += HIGH)
    for (int32_t p = 0; p < terms; p += DEEP)
      for (int32_t i = first; i < first + HIGH; i++, to += DEEP / PAIR) round_terms(a + i * lda + p, i < rows ? least(DEEP, terms - p) : 0, to);
}

/** A weight. */
typedef struct {
  int32_t packing;
  const uint32_t *b;
  size_t ldb;
  const float *scales;
} Right;

/** `count` numbers of a row as floats; those of other types are converted into `room`. */
INLINE const float *floats_of(const Right *right, int32_t row, int32_t first, int32_t count, float *room) {
  if (right->packing == FLOAT32) return (const float *)right->b + row * right->ldb + first;
  dequantize_row(right->packing, right->b, right->ldb, row, first, count, right->packing >= Q4 ? 1 : right->scales[row], room);
  return room;
}

/** Where the numbers of a row lie in a file in bfloat16; NULL where it is of another type. */
INLINE const uint16_t *stored(const Right *right, int32_t row, int32_t first) {
  if (right->packing != MAPPED) return NULL;
  const FileRow own = file_row(right->b, row);
  return own.type == FILE_BF16 ? (const uint16_t *)own.at + first : NULL;
}

/** A row's numbers in pairs, in whole DEEPs. */
INLINE void row_pairs(const Right *right, int32_t row, int32_t first, int32_t count, uint32_t *to) {
  const uint16_t *own = stored(right, row, first);
  float room[PART];
  const float *floats = own == NULL ? floats_of(right, row, first, count, room) : NULL;
  for (int32_t p = 0; p < count; p += DEEP, to += DEEP / PAIR) {
    if (own == NULL) round_terms(floats + p, least(DEEP, count - p), to);
    else {
      if (p + DEEP > count) __builtin_memset(to, 0, 2 * DEEP);
      __builtin_memcpy(to, own + p, 2 * least(DEEP, count - p));
    }
  }
}

/** Rows of B → a panel [terms / PAIR, COLUMNS] of pairs, in whole DEEPs; missing columns are 0. */
APART void pack_right_rows(const Right *right, int32_t row, int32_t first, int32_t terms, int32_t width, uint32_t *to) {
  for (int32_t p = 0; p < terms; p += PART, to += PART / PAIR * COLUMNS) {
    const int32_t count = least(PART, terms - p);
    for (int32_t j = 0; j < COLUMNS; j += W) {
      uint32_t rows[W][PART / PAIR] __attribute__((aligned(64)));
      for (int32_t i = 0; i < W; i++) {
        if (j + i < width) row_pairs(right, row + j + i, first + p, count, rows[i]);
        else __builtin_memset(rows[i], 0, sizeof rows[i]);
      }
      for (int32_t q = 0; q * PAIR < count; q += DEEP / PAIR)
        for (int32_t own = q; own < q + DEEP / PAIR; own += W)
          transpose((const float *)rows[0] + own, PART / PAIR, (float *)to + own * COLUMNS + j, COLUMNS);
    }
  }
}

/** Columns of B → the same. */
APART void pack_right_columns(const Right *right, int32_t row, int32_t first, int32_t terms, int32_t width, uint32_t *to) {
  for (int32_t p = 0; p < (terms + DEEP - 1) / DEEP * DEEP; p += PAIR, to += COLUMNS) {
    const int whole = p + 1 < terms && width == COLUMNS;
    const uint16_t *low = whole ? stored(right, row + p, first) : NULL, *high = whole ? stored(right, row + p + 1, first) : NULL;
    if (low != NULL && high != NULL) {
      typedef uint16_t shorts __attribute__((vector_size(2 * W), aligned(2)));
      EACH(v, VECTORS) store_words(to + v * W, __builtin_convertvector(*(const shorts *)(low + v * W), uvec) |
                                                 __builtin_convertvector(*(const shorts *)(high + v * W), uvec) << 16);
      continue;
    }
    float rooms[PAIR][COLUMNS];
    const float *rows[PAIR];
    for (int32_t q = 0; q < PAIR; q++) {
      const int32_t count = p + q < terms ? width : 0;
      rows[q] = count > 0 ? floats_of(right, row + p + q, first, count, rooms[q]) : rooms[q];
      if (count == COLUMNS) continue;
      for (int32_t j = 0; j < COLUMNS; j++) rooms[q][j] = j < count ? rows[q][j] : 0;
      rows[q] = rooms[q];
    }
    EACH(v, VECTORS) store_words(to + v * W, paired(load(rows[0] + v * W), load(rows[1] + v * W)));
  }
}

/** Sums of a block: rows of A, tiles behind tiles, with a panel. */
typedef struct {
  const uint32_t *a, *b;
  /** tiles of A in a block */
  int32_t steps;
  float *c;
  size_t ldc;
  /** whether C holds something */
  int there;
} Sums;

/** Rows of sums that stay in registers. */
enum { DOT_ROWS = 32 / VECTORS / 2 };

/** `rows` of a tile, from row `first` on. */
INLINE void dot_rows(const Sums *s, int32_t first) {
  vec sums[DOT_ROWS][VECTORS];
  float *c = s->c + first * s->ldc;
  EACH(i, DOT_ROWS) EACH(v, VECTORS) sums[i][v] = s->there ? load(c + i * s->ldc + v * W) : (vec){};
  const uint32_t *a = s->a + first * (DEEP / PAIR), *b = s->b;
  for (int32_t step = 0; step < s->steps; step++, a += TILE)
    for (int32_t q = 0; q < DEEP / PAIR; q++, b += COLUMNS) {
      uvec y[VECTORS];
      EACH(v, VECTORS) y[v] = load_words(b + v * W);
      EACH(i, DOT_ROWS) EACH(v, VECTORS) sums[i][v] = plus_pairs(sums[i][v], a[i * (DEEP / PAIR) + q], y[v]);
    }
  EACH(i, DOT_ROWS) EACH(v, VECTORS) store(c + i * s->ldc + v * W, sums[i][v]);
}
APART void dot_tiles(int32_t tiles, const Sums *s) {
  for (int32_t n = 0; n < tiles; n++) {
    Sums own = *s;
    own.a += n * s->steps * TILE;
    own.c += n * HIGH * s->ldc;
    for (int32_t first = 0; first < HIGH; first += DOT_ROWS) dot_rows(&own, first);
  }
}

#if W == 16
/** Tiles of HIGH rows of 64 bytes. */
INLINE void begin_tiles(void) {
  struct {
    uint8_t palette, start, none[14];
    uint16_t bytes[16];
    uint8_t rows[16];
  } sizes = {.palette = 1};
  for (int i = 0; i < 8; i++) sizes.bytes[i] = 64, sizes.rows[i] = HIGH;
  _tile_loadconfig(&sizes);
}

/** Sums are tiles 0 to 3, A's 4 and 5, B's 6 and 7. */
INLINE void amx_tiles(int two, const Sums *s) {
  const uint32_t *a = s->a, *second = a + s->steps * TILE, *b = s->b;
  float *c = s->c, *below = c + HIGH * s->ldc;
  const size_t row = 4 * s->ldc;
  if (s->there) {
    _tile_loadd(0, c, row);
    _tile_loadd(1, c + W, row);
    if (two) {
      _tile_loadd(2, below, row);
      _tile_loadd(3, below + W, row);
    }
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (int32_t step = 0; step < s->steps; step++, a += TILE, second += TILE, b += DEEP / PAIR * COLUMNS) {
    _tile_loadd(6, b, 4 * COLUMNS);
    _tile_loadd(4, a, 2 * DEEP);
    _tile_loadd(7, b + W, 4 * COLUMNS);
    _tile_dpbf16ps(0, 4, 6);
    if (two) _tile_loadd(5, second, 2 * DEEP);
    _tile_dpbf16ps(1, 4, 7);
    if (two) {
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, c, row);
  _tile_stored(1, c + W, row);
  if (two) {
    _tile_stored(2, below, row);
    _tile_stored(3, below + W, row);
  }
}
APART void two_tiles(const Sums *s) { amx_tiles(1, s); }
APART void one_tile(const Sums *s) { amx_tiles(0, s); }
#endif

/** `tiles` ≤ 2 of A with a panel. */
INLINE void tile_sums(int32_t operands [[gnu::unused]], int32_t tiles, const Sums *s) {
#if W == 16
  if (operands == TILES) return tiles == 2 ? two_tiles(s) : one_tile(s);
#endif
  dot_tiles(tiles, s);
}

/** The same, of `rows` rows and `width` columns. */
INLINE void part_sums(int32_t operands, int32_t rows, int32_t width, const Sums *s) {
  const int32_t tiles = (rows + HIGH - 1) / HIGH;
  if (rows == tiles * HIGH && width == COLUMNS) return tile_sums(operands, tiles, s);
  float c[2 * HIGH * COLUMNS];
  Sums own = *s;
  own.c = c;
  own.ldc = COLUMNS;
  for (int32_t i = 0; i < tiles * HIGH; i++)
    for (int32_t j = 0; j < COLUMNS; j++) c[i * COLUMNS + j] = s->there && i < rows && j < width ? s->c[i * s->ldc + j] : 0;
  tile_sums(operands, tiles, &own);
  for (int32_t i = 0; i < rows; i++) copy(s->c + i * s->ldc, c + i * COLUMNS, width);
}

void bfloat16_product(int is_nt, uint8_t *heap, const Product *args, int32_t chunk, float *scratch) {
  const int32_t column_chunks = (args->n + args->columns - 1) / args->columns;
  const int32_t i0 = chunk / column_chunks * args->rows, j0 = chunk % column_chunks * args->columns;
  const int32_t rows = least(args->rows, args->m - i0), columns = least(args->columns, args->n - j0);
  const int32_t k = args->k, k2 = args->k2, operands = args->operands;
  const size_t lda = args->lda, ldc = args->ldc, lda2 = args->lda2, ldb2 = args->ldb2;
  const float *a = FLOATS(args->a) + i0 * lda, *a2 = FLOATS(args->a2) + i0 * lda2, *b2 = FLOATS(args->b2);
  float *c = FLOATS(args->c) + i0 * ldc;
  Right right = {args->packing, AT(const uint32_t, args->b), args->ldb, FLOATS(args->scales)};
  if (right.packing == MAPPED) {
    const int32_t length = is_nt ? k : args->n;
    const float *floats = as_floats(right.b, is_nt ? args->n : k, length);
    if (floats != NULL) right = (Right){FLOAT32, (const uint32_t *)floats, length, NULL};
  }
  const int32_t blocks = k <= MOST_TERMS ? 1 : (k + MOST_TERMS - 1) / MOST_TERMS;
  const int32_t depth = ((k + blocks - 1) / blocks + DEEP - 1) / DEEP * DEEP, heights = (rows + HIGH - 1) / HIGH;
  uint32_t *left = (uint32_t *)aligned(scratch), *panel = left + (size_t)heights * HIGH * depth / PAIR;
  float *second = (float *)panel + depth / PAIR * COLUMNS;
  const int begins = k2 > 0 || args->start == FROM_BIAS;
#if W == 16
  if (operands == TILES) begin_tiles();
#endif
  for (int32_t block = 0; block < blocks; block++) {
    const int32_t p0 = block * depth, terms = least(depth, k - p0), steps = (terms + DEEP - 1) / DEEP;
    pack_left(a + p0, lda, rows, terms, left);
    for (int32_t j = j0; j < j0 + columns; j += COLUMNS) {
      const int32_t width = least(COLUMNS, j0 + columns - j);
      if (is_nt) pack_right_rows(&right, j, p0, terms, width, panel);
      else pack_right_columns(&right, p0, j, terms, width, panel);
      if (begins && block == 0) {
        if (k2 == 0) {
        } else if (is_nt) pack_rows(b2 + j * ldb2, ldb2, k2, width, second);
        else pack_columns(b2 + j, ldb2, k2, width, second);
        Tile t = {.b2 = second, .step2 = COLUMNS, .k2 = k2, .ldc = ldc, .width = width, .start = args->start, .bias = FLOATS(args->bias) + j};
        for (int32_t i = 0; i < rows; i += ROWS) {
          t.a2 = (Side){a2 + i * lda2, lda2, 1};
          t.c = c + i * ldc + j;
          run_tile(least(ROWS, rows - i), 1, &t);
        }
      }
      for (int32_t i = 0; i < heights; i += 2) {
        const Sums s = {.a = left + (size_t)i * steps * TILE, .b = panel, .steps = steps, .c = c + i * HIGH * ldc + j, .ldc = ldc,
                        .there = block > 0 || begins || args->start == FROM_THERE};
        part_sums(operands, least(2 * HIGH, rows - i * HIGH), width, &s);
      }
    }
  }
#if W == 16
  if (operands == TILES) _tile_release();
#endif
}
#pragma clang attribute pop
#elif !defined(__wasm__)
/** No processor of this instruction set has them. */
void bfloat16_product(int is_nt, uint8_t *heap, const Product *args, int32_t chunk, float *scratch) {
  (void)is_nt, (void)heap, (void)args, (void)chunk, (void)scratch;
}
#else
typedef int nothing_here;
#endif
