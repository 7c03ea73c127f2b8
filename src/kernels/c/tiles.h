/**
 * Tiles of a product, and the panels that they read: what every kernel with a product in it is made of.
 *
 * A tile is ROWS × COLUMNS sums that stay in registers. Its right operand lies in a panel, `COLUMNS` floats a term, one after the other;
 * its left one is read where it is, rows or columns.
 */
#pragma once
#include "heap.h"
#include "lanes.h"

/** A tile's sums, two operands of B and a number of A are what the registers hold. */
#if W == 16
#define ROWS 12
#define VECTORS 2
#elif W == 8
#define ROWS 6
#define VECTORS 2
#elif defined(__wasm__)
// an engine on x64 has sixteen registers for wasm's
#define ROWS 4
#define VECTORS 2
#else
#define ROWS 6
#define VECTORS 4
#endif
#define COLUMNS (VECTORS * W)

enum { FROM_ZERO, FROM_BIAS, FROM_THERE };

/** Where a tile's first element of A lies, and the ways to the next row and the next term, in floats. */
typedef struct {
  const float *at;
  size_t row, term;
} Side;

/** Places that a tile asks memory for while it computes, since a later one reads them: `count` ≥ 0 lines every TERMS_AHEAD terms, two by two. */
typedef struct {
  const float *at;
  /** to the other of a pair, to the next pair, and to the first of the next TERMS_AHEAD terms */
  size_t other, pair, next;
  int32_t count;
} Ahead;
#ifdef __wasm__
// it cannot ask
#define TERMS_AHEAD (1 << 28)
#else
#define TERMS_AHEAD 16
#endif

typedef struct {
  Side a, a2;
  /** panels: `step` floats from term to term */
  const float *b, *b2;
  size_t step, step2;
  int32_t k, k2;
  float *c;
  size_t ldc;
  /** columns of C that there are */
  int32_t width;
  /** FROM_ZERO, FROM_BIAS: sums begin there; FROM_THERE: with what C holds */
  int32_t start;
  const float *bias;
  Ahead ahead;
} Tile;

#define run_tile SUFFIX(run_tile)
/** `rows` ≤ ROWS; contiguous: the terms of A lie side by side, else its rows do. */
void run_tile(int32_t rows, int contiguous, const Tile *t);

#define pack_rows SUFFIX(pack_rows)
/** Rows of B [columns, k] → a panel [k, COLUMNS]; missing columns are 0. */
void pack_rows(const float *b, size_t ldb, int32_t k, int32_t width, float *to);

#define pack_columns SUFFIX(pack_columns)
/** Columns of B [k, columns] → a panel [k, COLUMNS]; missing columns are 0. */
void pack_columns(const float *b, size_t ldb, int32_t k, int32_t width, float *to);

/** n columns and those that fill the last panel. */
INLINE int32_t padded(int32_t n) { return (n + COLUMNS - 1) / COLUMNS * COLUMNS; }

#define pack_all_rows SUFFIX(pack_all_rows)
/** Rows of B [n, k] → panels of all its n columns, one after the other: padded(n)·k floats. */
void pack_all_rows(const float *b, size_t ldb, int32_t k, int32_t n, float *to);

#define pack_all_columns SUFFIX(pack_all_columns)
/** Columns of B [k, n] → panels. */
void pack_all_columns(const float *b, size_t ldb, int32_t k, int32_t n, float *to);

#define multiply SUFFIX(multiply)
/** C [m, n] = A·B, or C += A·B, B [k, n] in panels. Tiles are of equal height, so that none is left with a row or two. */
void multiply(int32_t m, int32_t n, int32_t k, int contiguous, Side a, const float *panels, float *c, size_t ldc, int32_t start);
