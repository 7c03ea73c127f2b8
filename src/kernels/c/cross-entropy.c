/**
 * Softmax cross-entropy with integer labels, and rows of logits of a language model's head; equations in `src/kernels/cross-entropy.ts` and
 * `linear-cross-entropy.ts`. Chunks are ranges of rows.
 */
#include "declared.h"
#include "vectors.h"

/** Of `count` floats; what is not a number shows in the sum. */
APART float largest_of(const float *z, int32_t count) {
  vec highest = splat(-__builtin_inff());
  for (; count >= W; count -= W, z += W) highest = pmax(highest, load(z));
  float m = largest(highest);
  for (; count > 0; count--, z++) m = *z > m ? *z : m;
  return m;
}

/** Σ exp(z − m) */
APART float sum_of_exponentials(const float *z, int32_t count, float m) {
  vec sum = {};
  for (; count >= W; count -= W, z += W) sum += exponential(load(z) - m);
  if (count > 0) sum += first_of(exponential(load_part(z, count) - m), count);
  return total(sum);
}

/**
 * log x for x ≥ 1 or NaN, as fdlibm computes it: x = 2ᵏ·(1 + f), √½ < 1 + f < √2, s = f/(2 + f), log(1 + f) = f − s·(f − R(s²)).
 * A library's log has tables, for which there is no place in a memory that is tfjs's.
 */
APART double log_of(double x) {
  if (!(x < __builtin_inf())) return x;
  const uint64_t root_half = 0x3fe6a09e00000000;
  union { double number; uint64_t bits; } own = {x}, fraction;
  const uint64_t bits = own.bits + (0x3ff0000000000000 - root_half); // the carry shows a fraction above √2
  const double k = (double)((int32_t)(bits >> 52) - 1023);
  fraction.bits = (bits & 0xfffffffffffff) + root_half;
  const double f = fraction.number - 1, s = f / (2 + f), z = s * s, w = z * z;
  const double even = w * (0.3999999999940941908 + w * (0.2222219843214978396 + w * 0.1531383769920937332));
  const double odd =
    z * (0.6666666666666735130 + w * (0.2857142874366239149 + w * (0.1818357216161805012 + w * 0.1479819860511658591)));
  const double half = 0.5 * f * f;
  return k * 0.6931471805599453094 + (f - (half - s * (half + even + odd)));
}

KERNEL(crossEntropyStatistics) {
  ARGUMENTS(CrossEntropyStatistics);
  const int32_t end = least((chunk + 1) * args->perChunk, args->rows);
  for (int32_t i = chunk * args->perChunk; i < end; i++) {
    const float *z = FLOATS(args->z) + (size_t)i * args->classes;
    float *to = FLOATS(args->statistics) + 2 * (size_t)i;
    to[0] = largest_of(z, args->classes);
    to[1] = sum_of_exponentials(z, args->classes, to[0]);
  }
}

/** The mean over the rows that count. One chunk. */
KERNEL(crossEntropyMean) {
  ARGUMENTS(CrossEntropyMean);
  const int32_t classes = args->classes, *labels = (const int32_t *)FLOATS(args->labels);
  double sum = 0;
  int32_t count = 0;
  for (int32_t i = 0; i < args->rows; i++) {
    if (labels[i] == args->ignored) continue;
    count++;
    const float *statistics = FLOATS(args->statistics) + 2 * (size_t)i;
    if ((uint32_t)labels[i] >= (uint32_t)classes) {
      sum = __builtin_nan("");
      continue;
    }
    const double z = FLOATS(args->z)[(size_t)i * classes + labels[i]];
    sum += log_of(statistics[1]) - (z - statistics[0]);
  }
  *FLOATS(args->loss) = (float)(sum / most(count, 1));
}

/** to ← exp(z − m)·factor */
APART void exponentials(const float *z, float m, float factor, float *to, int32_t count) {
  for (; count >= W; count -= W, z += W, to += W) store(to, exponential(load(z) - m) * factor);
  if (count > 0) store_part(to, exponential(load_part(z, count) - m) * factor, count);
}

KERNEL(crossEntropyBackward) {
  ARGUMENTS(CrossEntropyBackward);
  const int32_t classes = args->classes, *labels = (const int32_t *)FLOATS(args->labels);
  int32_t count = 0;
  for (int32_t i = 0; i < args->rows; i++) count += labels[i] != args->ignored;
  const float share = *FLOATS(args->dy) / (float)most(count, 1);
  const int32_t end = least((chunk + 1) * args->perChunk, args->rows);
  for (int32_t i = chunk * args->perChunk; i < end; i++) {
    const size_t at = (size_t)i * classes;
    float *dz = FLOATS(args->dz) + at;
    if (labels[i] == args->ignored) {
      for (int32_t j = 0; j < classes; j++) dz[j] = 0;
      continue;
    }
    const float *statistics = FLOATS(args->statistics) + 2 * (size_t)i;
    const int is_class = (uint32_t)labels[i] < (uint32_t)classes;
    exponentials(FLOATS(args->z) + at, statistics[0], is_class ? share / statistics[1] : __builtin_nanf(""), dz, classes);
    if (is_class) dz[labels[i]] -= share;
  }
}

/** cap·tanh(z/cap) = cap − 2·cap/(exp(2·z/cap) + 1) */
INLINE vec capped_of(vec z, float cap) { return cap - 2 * cap / (exponential(z * (2 / cap)) + 1); }
APART void capped(float *z, int32_t count, float cap) {
  for (int32_t j = 0; j < count; j += W) store_up_to(z + j, capped_of(load_up_to(z + j, count - j), cap), count - j);
}

/** z ← exp(z − m)·factor·(1 − (z·inverse)²) */
INLINE vec capped_slope_of(vec z, float m, float factor, float inverse) {
  return exponential(z - m) * factor * (1 - z * inverse * (z * inverse));
}
APART void capped_slopes(float *z, float m, float factor, float inverse, int32_t count) {
  for (int32_t j = 0; j < count; j += W)
    store_up_to(z + j, capped_slope_of(load_up_to(z + j, count - j), m, factor, inverse), count - j);
}

/** Whether a place is the first that holds the largest number. */
static int is_first(const float *z, int32_t label, float m) {
  if (z[label] != m) return 0;
  for (int32_t j = 0; j < label; j++)
    if (z[j] == m) return 0;
  return 1;
}

/** A range of rows: losses, whether they are right, and slopes. */
KERNEL(logitRows) {
  ARGUMENTS(LogitRows);
  const LogitRowsEntry *entries = entries_of_LogitRows(args);
  const int32_t classes = args->classes, end = least((chunk + 1) * args->perChunk, args->entries);
  const float cap = args->cap, share = args->share;
  for (int32_t i = chunk * args->perChunk; i < end; i++) {
    const int32_t at = entries[i].row, label = entries[i].label, is_class = (uint32_t)label < (uint32_t)classes;
    float *z = FLOATS(args->logits) + (size_t)i * args->stride;
    if (cap != 0) capped(z, classes, cap);
    const float m = largest_of(z, classes), sum = sum_of_exponentials(z, classes, m), own = is_class ? z[label] : 0;
    FLOATS(args->losses)[at] = (float)(is_class ? log_of(sum) - ((double)own - m) : __builtin_nan(""));
    if (args->correct != 0) FLOATS(args->correct)[at] = is_class && is_first(z, label, m);
    if (args->slopes == 0) continue;
    const float inverse = cap == 0 ? 0 : 1 / cap, factor = is_class ? share / sum : __builtin_nanf("");
    if (cap == 0) exponentials(z, m, factor, z, classes);
    else capped_slopes(z, m, factor, inverse, classes);
    if (is_class) z[label] -= share * (1 - own * inverse * (own * inverse));
  }
}
