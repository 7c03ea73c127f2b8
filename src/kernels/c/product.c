/**
 * Matrix products for every transposition and batch, without transposed or packed copies of whole matrices.
 *
 *   nt   C += A·Bᵀ + A₂·B₂ᵀ      A [m, k], B [n, k]
 *   nn   C += A·B  + A₂·B₂       A [m, k], B [k, n]
 *   tn   C += Aᵀ·B               A [k, m], B [k, n]
 *
 * The second pair is what a low-rank adapter adds: it runs in the accumulators of the first product. C starts at a bias (a row), at 0, or
 * at what is there. A C that starts at 0 may have a factor: C = scale·A·B. In `nt` and `nn` B may be packed (`packing.h`).
 *
 * A chunk packs the columns of its part of B, DEPTH terms at a time, into panels of `COLUMNS` columns, whatever way B lies and whatever
 * numbers it holds; A is read where it is. A tile of ROWS × COLUMNS sums stays in registers for all terms of a block. Every element is
 * one sum in an order that the shape alone decides.
 */
#include "heap.h"
#include "bfloat16.h"
#include "declared.h"
#include "file-types.h"
#include "one-row.h"
#include "packing.h"
#include "thin.h"
#include "tiles.h"

/** Terms of a block: ROWS rows of A and a panel of B stay in the first cache, or near. */
#define DEPTH 384
/** Rows of a block of A, which stays in the second cache while the panels pass. */
#define BAND 192
/** Rows up to which packing B costs more than it saves. */
#define FEW 12

#ifdef __wasm__
#define OF_FILE(packing) 0
#else
#define OF_FILE(packing) ((packing) == MAPPED)
#endif

/** As `pack_rows`, of packed rows; `ldb` counts 32-bit words. Dequantizes W rows of W or more numbers at a time. */
static void pack_quantized_rows(int32_t packing, const uint32_t *b, size_t ldb, int32_t first, int32_t k, const float *scales,
                                int32_t width, float *to) {
  enum { PART = 64 };
  float rows[W * PART];
  for (int32_t j = 0; j < COLUMNS; j += W) {
    [[gnu::unused]] const uint32_t *own[W];
    [[gnu::unused]] vec factors = {};
    // a row that is missing is another one: no tile stores its columns
    EACH(i, W) {
      own[i] = b + least(j + i, width - 1) * ldb;
      if (j + i < width && packing < Q4) factors[i] = scales[j + i];
    }
    for (int32_t p = turned_rows(packing, own, first, k, factors, to + j, COLUMNS); p < k; p += PART) {
      const int32_t depth = least(PART, k - p);
      for (int32_t i = 0; i < W; i++) {
        if (j + i < width)
          dequantize_row(packing, b, ldb, j + i, first + p, depth, packing >= Q4 ? 1 : scales[j + i], rows + i * PART);
        else for (int32_t q = 0; q < depth; q++) rows[i * PART + q] = 0;
      }
      int32_t q = 0;
      for (; q + W <= depth; q += W) transpose(rows + q, PART, to + (p + q) * COLUMNS + j, COLUMNS);
      for (; q < depth; q++)
        for (int32_t i = 0; i < W; i++) to[(p + q) * COLUMNS + j + i] = rows[i * PART + q];
    }
  }
}

static void pack_quantized_columns(int32_t packing, const uint32_t *b, size_t ldb, int32_t first, int32_t k, const float *scales,
                                   int32_t width, float *to) {
  for (int32_t p = 0; p < k; p++, to += COLUMNS) {
    if (width == COLUMNS && first % W == 0 && !OF_FILE(packing)) {
      const uint32_t *row = b + p * ldb;
      vec own[VECTORS];
      if (packing == BYTES) EACH(r, COLUMNS / RUN) of_run((const int8_t *)row + first + r * RUN, own + r * RUN / W);
      else EACH(v, VECTORS) own[v] = numbers(packing, row, first + v * W);
      EACH(v, VECTORS) store(to + v * W, packing >= Q4 ? own[v] : scales[p] * own[v]);
      continue;
    }
    dequantize_row(packing, b, ldb, p, first, width, packing >= Q4 ? 1 : scales[p], to);
    for (int32_t i = width; i < COLUMNS; i++) to[i] = 0;
  }
}

#ifndef __wasm__
/** What a thin product reads of a file: rows of B (`nt`) or columns as rows (`nn`), [n, k]. */
static void thin_rows(int columns_as_rows, const void *b, int32_t at, int32_t first, int32_t k, int32_t n, float *to) {
  if (!columns_as_rows)
    for (int32_t j = 0; j < n; j++) file_values(file_row(b, at + j), first, k, to + (size_t)j * k);
  else
    for (int32_t p = 0; p < k; p++) {
      float row[THIN];
      file_values(file_row(b, first + p), at, n, row);
      for (int32_t j = 0; j < n; j++) to[(size_t)j * k + p] = row[j];
    }
}
#else
#define thin_rows(...) ((void)0)
#endif

/** C ← scale·C, of a chunk whose sums are whole. */
static void scale_rows(float *c, size_t ldc, int32_t rows, int32_t columns, float scale) {
  for (int32_t i = 0; i < rows; i++) scaled(c + i * ldc, scale, c + i * ldc, columns);
}

typedef enum { NT, NN, TN } Kind;

INLINE void product(Kind kind, uint8_t *heap, const Product *args, int32_t chunk, float *panels) {
  const int32_t row_chunks = (args->m + args->rows - 1) / args->rows;
  const int32_t column_chunks = (args->n + args->columns - 1) / args->columns;
  const int32_t matrix = chunk / (row_chunks * column_chunks), within = chunk % (row_chunks * column_chunks);
  const int32_t outer = matrix / args->inner, inner = matrix % args->inner;
  const int32_t i0 = within / column_chunks * args->rows, j0 = within % column_chunks * args->columns;
  const int32_t rows = least(args->rows, args->m - i0), columns = least(args->columns, args->n - j0);
  const float *a = FLOATS(args->a) + (size_t)outer * args->aOuter + (size_t)inner * args->aInner;
  const float *b = FLOATS(args->b) + (size_t)outer * args->bOuter + (size_t)inner * args->bInner;
  float *c = FLOATS(args->c) + (size_t)outer * args->cOuter + (size_t)inner * args->cInner;
  const size_t lda = args->lda, ldc = args->ldc, lda2 = args->lda2, ldb2 = args->ldb2;
  size_t ldb = args->ldb;
  const float *a2 = FLOATS(args->a2), *b2 = FLOATS(args->b2), *bias = FLOATS(args->bias), *scales = FLOATS(args->scales);
  const int32_t k = args->k, k2 = kind == TN ? 0 : args->k2;
  int32_t packing = kind == TN ? 0 : args->packing;
#ifndef __wasm__
  if (OF_FILE(packing)) {
    const int32_t length = kind == NT ? k : args->n;
    const float *floats = as_floats(b, kind == NT ? args->n : k, length);
    if (floats != NULL) packing = FLOAT32, b = floats, ldb = length;
  }
#endif
  const int32_t alone = kind == NT && args->m == 1;
  if (alone) one_row(heap, args, packing, a, b, ldb, c, i0, j0, columns, panels);
  const int32_t thin = (packing == 0 || OF_FILE(packing)) && k2 == 0 && args->n <= THIN;
  // fewer columns, of which more terms are a block
  const int32_t most = thin && kind != TN ? DEPTH * COLUMNS / THIN : DEPTH;
  const int32_t blocks = alone ? 0 : k <= most ? 1 : (k + most - 1) / most;
  // of whole blocks of a packed B
  const int32_t depth = alone ? 0 : ((k + blocks - 1) / blocks + BLOCK - 1) / BLOCK * BLOCK;
  // few rows read B once, and where its columns lie side by side it needs no packing for that
  const int32_t direct = kind != NT && packing == 0 && rows <= FEW;
  for (int32_t block = 0; block < blocks; block++) {
    const int32_t p0 = block * depth, terms = least(depth, k - p0);
    const int32_t second = block == blocks - 1 ? k2 : 0;
    const int32_t start = block == 0 ? args->start : FROM_THERE;
    if (thin) {
      float *own = c + i0 * ldc + j0;
      if (kind == TN) turned(a + p0 * lda + i0, lda, rows, b + p0 * ldb + j0, ldb, columns, terms, own, ldc, start, bias + j0, panels);
      else {
        if (OF_FILE(packing)) thin_rows(kind == NN, b, j0, p0, terms, columns, panels);
        else if (kind == NN) columns_as_rows(b + p0 * ldb + j0, ldb, terms, columns, panels);
        const Side right = kind == NN || OF_FILE(packing) ? (Side){panels, terms, 1} : (Side){b + j0 * ldb + p0, ldb, 1};
        dots(a + i0 * lda + p0, lda, rows, right.at, right.row, columns, terms, own, ldc, start, bias + j0);
      }
      continue;
    }
    const size_t panel = (size_t)(terms + second) * COLUMNS;
    for (int32_t band = 0; band < rows; band += BAND) {
      const int32_t end = least(band + BAND, rows);
      // tiles of equal height, so that none is left with a row or two
      const int32_t tiles = (end - band + ROWS - 1) / ROWS;
      for (int32_t j = 0; j < columns; j += COLUMNS) {
        const int32_t width = least(COLUMNS, columns - j), column = j0 + j;
        float *own = panels + j / COLUMNS * panel, *own2 = own + (size_t)terms * COLUMNS;
        // the first band packs each panel just before it reads it
        if (band > 0 || (direct && width == COLUMNS && second == 0)) {
        } else if (kind == NT) {
          if (packing == 0) pack_rows(b + column * ldb + p0, ldb, terms, width, own);
          else pack_quantized_rows(packing, (const uint32_t *)b + column * ldb, ldb, p0, terms, scales + column, width, own);
          if (second > 0) pack_rows(b2 + column * ldb2, ldb2, second, width, own2);
        } else {
          if (packing == 0) pack_columns(b + p0 * ldb + column, ldb, terms, width, own);
          else pack_quantized_columns(packing, (const uint32_t *)b + p0 * ldb, ldb, column, terms, scales + p0, width, own);
          if (second > 0) pack_columns(b2 + column, ldb2, second, width, own2);
        }
        // and asks for the part of B that the next one is packed from, this chunk's or the next one's
        const int32_t following = TERMS_AHEAD < DEPTH && column + 2 * COLUMNS <= args->n && band == 0 && packing == 0;
        const int32_t pairs = kind == NT ? (COLUMNS + 2 * tiles - 1) / (2 * tiles) : (TERMS_AHEAD + tiles - 1) / tiles;
        Tile t = {.b = own, .step = COLUMNS, .b2 = own2, .step2 = COLUMNS, .k = terms, .k2 = second,
                  .ldc = ldc, .width = width, .bias = bias + j0 + j,
                  .start = start};
        if (direct && t.width == COLUMNS && second == 0) t.b = b + p0 * ldb + j0 + j, t.step = ldb;
        for (int32_t n = 0; n < tiles; n++) {
          const int32_t first = band + (end - band) * n / tiles, next = band + (end - band) * (n + 1) / tiles;
          const int32_t i = i0 + first;
          t.c = c + i * ldc + j0 + j;
          t.a = kind == TN ? (Side){a + p0 * lda + i, 1, lda} : (Side){a + i * lda + p0, lda, 1};
          t.a2 = (Side){a2 + i * lda2, lda2, 1};
          if (following)
            t.ahead = kind == NT ? (Ahead){b + (column + COLUMNS + 2 * pairs * n) * ldb + p0, ldb, 2 * ldb, TERMS_AHEAD, 2 * pairs}
                                 : (Ahead){b + (p0 + terms * n / tiles) * ldb + column + COLUMNS, W, ldb, pairs * ldb, 2 * pairs};
          run_tile(next - first, kind != TN, &t);
        }
      }
    }
  }
  if (args->scale != 1) scale_rows(c + i0 * ldc + j0, ldc, rows, columns, args->scale);
}

KERNEL(nt) {
  ARGUMENTS(Product);
#ifndef __wasm__
  if (args->operands != WHOLE) return bfloat16_product(1, heap, args, chunk, FLOATS(scratch_at));
#endif
  product(NT, heap, args, chunk, FLOATS(scratch_at));
}

KERNEL(nn) {
  ARGUMENTS(Product);
#ifndef __wasm__
  if (args->operands != WHOLE) return bfloat16_product(0, heap, args, chunk, FLOATS(scratch_at));
#endif
  product(NN, heap, args, chunk, FLOATS(scratch_at));
}

KERNEL(tn) {
  ARGUMENTS(Product);
  product(TN, heap, args, chunk, FLOATS(scratch_at));
}
