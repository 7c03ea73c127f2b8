/**
 * LoRA-Pro's directions for a list of factor pairs. A chunk is a pair, or many.
 *
 * Neither Q = B·T_B nor R = T_Aᵀ·A is made: what either is multiplied by is [r, r], and so T goes there. That leaves eight products of [r, r] with a
 * thin matrix instead of ten, and the order in which numbers meet, so that an error is still multiplied by the condition of B or of A and not by both.
 */
#include "lora-pro.h"

/** dA and dB of a pair; `b` is bᵀ. */
static void directions(uint8_t *heap, const LoraProEntry *one, int32_t x, Room room) {
  const int32_t r = one->r, inputs = one->inputs, outputs = one->outputs;
  const size_t square = (size_t)r * r;
  const float *A = FLOATS(one->A), *B = FLOATS(one->B), *TB = FLOATS(one->TB), *TAt = FLOATS(one->TAt), *s = FLOATS(one->S);
  float *n = room.n, *y = room.y, *panels = room.panels, *t = room.behind, *b = t + square, *a = b + (size_t)r * outputs;
  flat(FLOATS(one->TBgrad), 0, FLOATS(one->gA), r, inputs, panels, a, FROM_ZERO);
  flat_of_tall(FLOATS(one->TAgrad), FLOATS(one->gB), r, outputs, panels, b, FROM_ZERO);
  // N = T_Bᵀ·(bᵀ·B)ᵀ
  overlap_with_tall(b, B, r, outputs, panels, t);
  flat_of_tall(TB, t, r, r, panels, n, FROM_ZERO);
  if (x == SYLVESTER) {
    // a·Rᵀ = (a·Aᵀ)·T_A
    overlap(a, A, r, inputs, panels, t);
    overlap(t, TAt, r, r, panels, y);
  }
  for (size_t i = 0; i < square; i++) {
    y[i] = x == SYLVESTER ? -s[i] * y[i] : x == SYMMETRIC ? -0.5f * n[i] : 0;
    n[i] = -(n[i] + y[i]);
  }
  // b − Q·(N − Y) = b − B·(T_B·(N − Y))
  flat(TB, 0, n, r, r, panels, t, FROM_ZERO);
  flat_of_tall(t, B, r, outputs, panels, b, FROM_THERE);
  if (x != ZERO) {
    // a − Y·R = a − (Y·T_Aᵀ)·A
    flat(y, 0, TAt, r, r, panels, t, FROM_ZERO);
    flat(t, 0, A, r, inputs, panels, a, FROM_THERE);
  }
  flat(TB, 0, a, r, inputs, panels, FLOATS(one->dA), FROM_ZERO);
  tall_of_flat(b, TAt, r, outputs, panels, FLOATS(one->dB));
}

KERNEL(loraPro) {
  ARGUMENTS(LoraPro);
  const int32_t end = least((chunk + 1) * args->perChunk, args->entries);
  for (int32_t i = chunk * args->perChunk; i < end; i++) {
    const LoraProEntry *one = entries_of_LoraPro(args) + i;
    directions(heap, one, args->x, room_of(one, FLOATS(scratch_at)));
  }
}
