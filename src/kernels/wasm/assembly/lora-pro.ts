/**
 * LoRA-Pro's directions (dA, dB) for a list of factor pairs. A chunk is a pair, or many.
 */
import { address, floats, int } from "./arguments"
import { endOf, entries, entry, firstOf, OWN } from "./lists"
import { bases, behind, coordinates, inputs, narrow, openPair, outputs, packTransposed, pullBack, r, wide } from "./theorem"

// own words of the header
const X: i32 = OWN // 0: sylvester, 1: zero, 2: symmetric
const OWN_WORDS: i32 = 1

// words of an entry
const A: i32 = 0
const B: i32 = 1
const GA: i32 = 2
const GB: i32 = 3
const WHITENING: i32 = 4 // T_B, s⁻² T_Bᵀ, T_Aᵀ, s⁻² T_A, S
const DA: i32 = 9
const DB: i32 = 10
const R: i32 = 11
const INPUTS: i32 = 12
const OUTPUTS: i32 = 13
const WORDS: i32 = 14

/** Scratch: `scratchOfPair` floats (`src/kernels/wasm/lora-pro.ts`). */
export function loraPro(args: usize, chunk: i32, scratch: usize): void {
  for (let i = firstOf(args, chunk); i < min(endOf(args, chunk), entries(args)); i++) {
    const one = entry(args, OWN_WORDS, WORDS, i)
    openPair(int(one, R), int(one, INPUTS), int(one, OUTPUTS), one + floats(WHITENING), scratch)
    const Q = behind()
    const b = Q + floats(outputs * narrow)
    const rows = b + floats(outputs * narrow)
    const a = rows + floats(r * wide)
    const transposed = a + floats(r * wide)
    const spare = transposed + floats(inputs * narrow)
    bases(address(one, A), address(one, B), Q, rows)
    coordinates(address(one, GA), address(one, GB), a, b)
    packTransposed(rows, transposed)
    pullBack(int(args, X), a, b, Q, floats(narrow), 1, rows, transposed, spare, address(one, DA), address(one, DB))
  }
}
