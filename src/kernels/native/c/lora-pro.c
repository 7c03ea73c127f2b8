/** LoRA-Pro's directions for a list of factor pairs. A chunk is a pair, or many. */
#include "lora-pro.h"

KERNEL(loraPro) {
  ARGUMENTS(LoraPro);
  const int32_t end = least((chunk + 1) * args->perChunk, args->entries);
  for (int32_t i = chunk * args->perChunk; i < end; i++) {
    const LoraProEntry *one = entries_of_LoraPro(args) + i;
    const Room room = room_of(one, FLOATS(scratch_at));
    const size_t across = (size_t)one->r * one->inputs, down = (size_t)one->r * one->outputs;
    float *q = room.behind, *b = q + down, *R = b + down, *a = R + across;
    whitened(heap, one, room.panels, q, R, b, a);
    pull_back(heap, one, args->x, a, b, q, 1, R, room);
  }
}
