/**
 * LoRA-Pro's whitening matrices of a list of factor pairs: all that a step has to know of B and A, from Gram matrix to float32 in one
 * place. Their definition is in `src/kernels/whitening.ts`; a direction that is not in the span of a factor gets zeros there (its
 * eigenvectors would multiply nothing but round-off).
 *
 *   out: T_B, s⁻² T_Bᵀ, T_Aᵀ, s⁻² T_A, S, each [r, r]; smallest: λ_min(BᵀB)
 *
 * A chunk is a pair, or many.
 */
#include "declared.h"
#include "gram.h"
#include "tridiagonal.h"

/** From this rank on the way over a tridiagonal matrix is the faster one. */
enum { TRIDIAGONAL = 8 };

/** T [r, r] and s⁻²·T, one of them transposed. W columns at a time: what is next to each other in T lies rows apart here. */
static void write_out(const double *columns, const double *values, int32_t rank, int32_t r, double damping, float *straight, double f,
                      float *transposed, double g) {
  const size_t wide = in_rows(r);
  for (int32_t first = 0; first < r; first += W) {
    const int32_t count = least(W, r - first);
    const double *from = columns + first * wide;
    double factors[W];
    for (int32_t j = 0; j < count; j++) {
      const double value = first + j < rank ? values[first + j] : 0;
      factors[j] = value > 0 ? 1 / (__builtin_sqrt(value) * __builtin_sqrt(value + damping)) : 0;
    }
    // beyond the rank there are no numbers
    for (int32_t i = 0; i < r; i++)
      for (int32_t j = 0; j < count; j++) {
        const double own = factors[j] == 0 ? 0 : from[j * wide + i] * factors[j];
        straight[(size_t)i * r + first + j] = (float)(own * f);
      }
    for (int32_t j = 0; j < count; j++)
      for (int32_t i = 0; i < r; i++) {
        const double own = factors[j] == 0 ? 0 : from[j * wide + i] * factors[j];
        transposed[(size_t)(first + j) * r + i] = (float)(own * g);
      }
  }
}

/** Eigenvalues, 0 beyond the rank; answers the rank, or −1 where G is not finite. */
static int32_t decompose(const double *gram, int32_t r, double *columns, double *values, double *a, double *spare) {
  const int32_t wide = in_rows(r);
  double trace = 0;
  for (int32_t i = 0; i < r; i++) trace += gram[(size_t)i * wide + i];
  if (trace - trace != 0) return -1;
  if (r >= TRIDIAGONAL && tridiagonal(gram, r, columns, values, a, spare_of(spare, wide))) return r;
  const int32_t rank = cholesky(gram, r, columns, values);
  dclear(values, wide);
  orthogonalize(columns, rank, r, values);
  return rank;
}

static void fill(float *to, size_t count, float value) {
  for (size_t i = 0; i < count; i++) to[i] = value;
}

static void whiten(uint8_t *heap, const WhiteningEntry *one, double damping, double *scratch) {
  const int32_t r = one->r, wide = in_rows(r);
  const size_t matrix = (size_t)wide * wide, square = (size_t)r * r;
  double *gram = scratch, *columns = gram + matrix, *a = columns + matrix, *lambda = a + matrix, *mu = lambda + wide, *spare = mu + wide;
  double *panels = spare + SPARE_ROWS * wide;
  const double per_scale = 1 / (one->scale * one->scale);
  gram_of(FLOATS(one->B), r, one->outputs, 1, r, gram, panels);
  const int32_t rank_b = decompose(gram, r, columns, lambda, a, spare);
  if (rank_b >= 0) write_out(columns, lambda, rank_b, r, damping, FLOATS(one->TB), 1, FLOATS(one->TBgrad), per_scale);
  gram_of(FLOATS(one->A), r, one->inputs, one->inputs, 1, gram, panels);
  const int32_t rank_a = decompose(gram, r, columns, mu, a, spare);
  if (rank_a >= 0) write_out(columns, mu, rank_a, r, damping, FLOATS(one->TAgrad), per_scale, FLOATS(one->TAt), 1);
  if (rank_a < 0 || rank_b < 0) {
    const float nan = __builtin_nanf("");
    const uint32_t all[] = {one->TB, one->TBgrad, one->TAt, one->TAgrad, one->S};
    for (int i = 0; i < 5; i++) fill(FLOATS(all[i]), square, nan);
    *FLOATS(one->smallest) = nan;
    return;
  }
  float *s = FLOATS(one->S);
  double smallest = lambda[0];
  for (int32_t i = 0; i < r; i++) {
    if (lambda[i] < smallest) smallest = lambda[i];
    for (int32_t j = 0; j < r; j++) {
      const double sum = lambda[i] + mu[j];
      s[(size_t)i * r + j] = sum > 0 ? (float)((mu[j] + damping) / sum) : 0;
    }
  }
  *FLOATS(one->smallest) = (float)smallest;
}

KERNEL(whitening) {
  ARGUMENTS(Whitening);
  double *scratch = (double *)aligned(FLOATS(scratch_at));
  const int32_t end = least((chunk + 1) * args->perChunk, args->entries);
  for (int32_t i = chunk * args->perChunk; i < end; i++) whiten(heap, entries_of_Whitening(args) + i, args->damping, scratch);
}
