/**
 * LoRA-Pro's theorem on one factor pair, in whitened coordinates (the equations are in `src/kernels/lora-pro-theorem.ts`):
 *
 *   bases         Q = B·T_B [out, r]             R = T_Aᵀ·A [r, in]
 *   coordinates   a = s⁻² T_Bᵀ·gA [r, in]        b = s⁻² gB·T_A [out, r]
 *   pull back     N = Qᵀ b    Y = S ⊙ (a Rᵀ)     dA = T_B (a − Y R)    dB = (b + Q (Y − N)) T_Aᵀ
 *
 * Rows of a and R are `wide` floats apart, those of Q and b `narrow`: whole panels. What is beyond in or r means nothing, and stays in
 * its own columns.
 */
import { LoraPro } from "./declared"
import { packColumns, packRows, padded } from "./panels"
import { combine, product, scale, wholePanels } from "./thin"
import { copyRows, floats } from "./vectors"

// the choices of X
const ZERO: i32 = 1
const SYMMETRIC: i32 = 2

// one pair's sizes and whitening, set by `openPair`: module variables, one copy a thread
export let r: i32 = 0
export let inputs: i32 = 0
export let outputs: i32 = 0
/** floats from row to row */
export let wide: i32 = 0
export let narrow: i32 = 0
let TB: usize = 0
let TBgrad: usize = 0
let TAt: usize = 0
let TAgrad: usize = 0
let S: usize = 0
let panels: usize = 0 // scratch of a packed operand
let small: usize = 0 // scratch of 3·r·narrow floats

/** Sizes and matrices of a pair (T_B, s⁻² T_Bᵀ, T_Aᵀ, s⁻² T_A, S), and a scratch (how large: `src/kernels/wasm/lora-pro.ts`). */
export function openPair(
  rank: i32,
  columns: i32,
  rows: i32,
  b: usize,
  bGradient: usize,
  aTransposed: usize,
  aGradient: usize,
  s: usize,
  scratch: usize
): void {
  r = rank
  inputs = columns
  outputs = rows
  wide = wholePanels(columns)
  narrow = wholePanels(rank)
  TB = b
  TBgrad = bGradient
  TAt = aTransposed
  TAgrad = aGradient
  S = s
  small = scratch
  panels = scratch + floats(3 * rank * narrow)
}

/** Behind the scratch that this file uses itself. */
export function behind(): usize {
  return panels + floats(max(max(outputs, r) * narrow, r * wide))
}

/** q [outputs, narrow] = m·t for m [outputs, r] and t [r, r]: B·T_B and gB·s⁻²T_A. */
function tall(m: usize, t: usize, q: usize): void {
  packRows(t, floats(r), r, r, panels)
  product(m, floats(r), 4, outputs, panels, r, r, q, floats(narrow))
}

/** c [r, wide] = t·m for t [r, r] and m [r, inputs]: T_Aᵀ·A and s⁻²T_Bᵀ·gA. */
function flat(t: usize, m: usize, c: usize): void {
  packRows(m, floats(inputs), r, inputs, panels)
  product(t, floats(r), 4, r, panels, r, inputs, c, floats(wide))
}

export function bases(A: usize, B: usize, Q: usize, R: usize): void {
  tall(B, TB, Q)
  flat(TAt, A, R)
}

export function coordinates(gA: usize, gB: usize, a: usize, b: usize): void {
  tall(gB, TAgrad, b)
  flat(TBgrad, gA, a)
}

/** Packs Rᵀ [inputs, r], the right operand of products with R's rows: inputs·narrow floats. */
export function packTransposed(R: usize, to: usize): void {
  packColumns(R, floats(wide), inputs, r, to)
}

/** N = f·Qᵀ·b [r, narrow], with rows of Q `ldq` bytes apart. */
export function overlap(Q: usize, ldq: usize, f: f32, b: usize, N: usize): void {
  packRows(b, floats(narrow), outputs, r, panels)
  product(Q, 4, ldq, r, panels, outputs, r, N, floats(narrow))
  scale(N, f, N, r * narrow)
}

/** b += f·Q·D for D [r, narrow]. `spare`: outputs·narrow floats. */
export function addTall(Q: usize, ldq: usize, f: f32, D: usize, b: usize, spare: usize): void {
  packRows(D, floats(narrow), r, r, panels)
  product(Q, ldq, 4, outputs, panels, r, r, spare, floats(narrow))
  combine(b, 1, spare, f, b, outputs * narrow)
}

/** Y [r, narrow], by the choice of X. */
function split(x: i32, a: usize, transposed: usize, N: usize, Y: usize): void {
  if (x === ZERO) {
    memory.fill(Y, 0, floats(r * narrow))
    return
  }
  if (x === SYMMETRIC) {
    scale(N, 0.5, Y, r * narrow)
    return
  }
  product(a, floats(wide), 4, r, transposed, inputs, r, Y, floats(narrow))
  for (let i = 0; i < r; i++) {
    const row = Y + floats(i * narrow)
    for (let j = 0; j < r; j++) {
      const at = row + floats(j)
      store<f32>(at, load<f32>(at) * load<f32>(S + floats(i * r + j)))
    }
  }
}

/**
 * dA and dB from coordinates, which are used up. Q has rows `ldq` bytes apart and is f⁻¹ times the matrix that it represents; `transposed`: R's
 * transpose, packed; `spare`: as many floats as a or b.
 */
export function pullBack(
  x: i32,
  a: usize,
  b: usize,
  Q: usize,
  ldq: usize,
  f: f32,
  R: usize,
  transposed: usize,
  spare: usize,
  dA: usize,
  dB: usize
): void {
  const N = small
  const Y = N + floats(r * narrow)
  const D = Y + floats(r * narrow)
  overlap(Q, ldq, f, b, N)
  split(x, a, transposed, N, Y)
  combine(Y, 1, N, -1, D, r * narrow)
  addTall(Q, ldq, f, D, b, spare)
  if (x !== ZERO) {
    packRows(R, floats(wide), r, inputs, panels)
    product(Y, floats(narrow), 4, r, panels, r, inputs, spare, floats(wide))
    combine(a, 1, spare, -1, a, r * wide)
  }
  packRows(a, floats(wide), r, inputs, panels)
  into(TB, floats(r), r, inputs, dA, spare)
  packRows(TAt, floats(r), r, r, panels)
  into(b, floats(narrow), outputs, r, dB, spare)
}

/** to [m, n] = A [m, r]·panels, tightly; through `spare` where a row would reach into the next. */
function into(A: usize, row: usize, m: i32, n: i32, to: usize, spare: usize): void {
  const width = padded(n)
  if (width === n) {
    product(A, row, 4, m, panels, r, n, to, floats(n))
    return
  }
  product(A, row, 4, m, panels, r, n, spare, floats(width))
  copyRows(spare, floats(width), to, floats(n), m, n, 1)
}

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
