/**
 * LoRA-Pro's directions (dA, dB) for a list of factor pairs. A chunk is a pair, or many.
 */
import { floats } from "./arguments"
import { LoraPro } from "./declared"
import {
  bases, behind, coordinates, inputs, narrow, openPair, outputs, packTransposed, pullBack, r, wide
} from "./theorem"

/** Scratch: `scratchOfPair` floats (`src/kernels/wasm/lora-pro.ts`). */
export function loraPro(args: LoraPro, chunk: i32, scratch: usize): void {
  const end = min((chunk + 1) * args.perChunk, args.entries)
  for (let i = chunk * args.perChunk; i < end; i++) {
    const one = args.entry(i)
    openPair(one.r, one.inputs, one.outputs, one.TB, one.TBgrad, one.TAt, one.TAgrad, one.S, scratch)
    const Q = behind()
    const b = Q + floats(outputs * narrow)
    const rows = b + floats(outputs * narrow)
    const a = rows + floats(r * wide)
    const transposed = a + floats(r * wide)
    const spare = transposed + floats(inputs * narrow)
    bases(one.A, one.B, Q, rows)
    coordinates(one.gA, one.gB, a, b)
    packTransposed(rows, transposed)
    pullBack(args.x, a, b, Q, floats(narrow), 1, rows, transposed, spare, one.dA, one.dB)
  }
}
