/**
 * LoRA-Pro's full form with Adam inside, for a list of factor pairs: g̃ and u [out, in] exist 24 rows at a time.
 *
 *   open    L = s·[Q | b − Q Qᵀb] [out, 2r]    K = [a ; R] [2r, in], packed          (a chunk: pairs)
 *   move    g̃ = L·K    M' = β₁M + g̃    V' = β₂V + g̃²    u = M' / (√V'·c + e)
 *           b = u·Rᵀ for its rows, a part of s·Qᵀu                                    (a chunk: some rows of one pair)
 *   close   a = s⁻² Σ parts, b ← s⁻¹ b, pull back                                     (a chunk: pairs)
 *
 * What passes through memory is M, V, M' and V'. How rows are cut is a function of the shapes, and parts are added in their order:
 * the number of threads changes no bit.
 */
import { address, float, floats, int } from "./arguments"
import { adamSpan } from "./expressions"
import { endOf, entries, entry, firstOf, OWN } from "./lists"
import { packRows } from "./panels"
import {
  addTall, bases, behind, coordinates, inputs, narrow, openPair, outputs, overlap, packTransposed, pullBack,
  r, wide
} from "./theorem"
import { addProduct, combine, copyRows, product, scale, wholePanels } from "./thin"

/** Rows of g̃ at a time: 24·in floats stay in a core's second cache. */
const ROWS: i32 = 24

// own words of the header
const X: i32 = OWN
const RATES: i32 = OWN + 1 // β₁, β₂, c, e
const OWN_WORDS: i32 = 5

// words of an entry
const A: i32 = 0
const B: i32 = 1
const GA: i32 = 2
const GB: i32 = 3
const WHITENING: i32 = 4 // T_B, s⁻² T_Bᵀ, T_Aᵀ, s⁻² T_A, S
const M: i32 = 9
const V: i32 = 10
const DA: i32 = 11
const DB: i32 = 12
const M_NEXT: i32 = 13
const V_NEXT: i32 = 14
const LEFT: i32 = 15 // L [outputs, 2r]
const RIGHT: i32 = 16 // a and R [2r, wide]
const PACKED: i32 = 17 // K [2r, inputs] in panels
const TRANSPOSED: i32 = 18 // Rᵀ [inputs, r] in panels
const TALL: i32 = 19 // b [outputs, narrow]
const PARTS: i32 = 20 // [parts, r, wide]
const R: i32 = 21
const INPUTS: i32 = 22
const OUTPUTS: i32 = 23
const SCALE: i32 = 24
const PER_PART: i32 = 25 // rows of a part
const WORDS: i32 = 26

function openEntry(one: usize, scratch: usize): void {
  openPair(
    int(one, R),
    int(one, INPUTS),
    int(one, OUTPUTS),
    address(one, WHITENING),
    address(one, WHITENING + 1),
    address(one, WHITENING + 2),
    address(one, WHITENING + 3),
    address(one, WHITENING + 4),
    scratch
  )
}

/** Scratch as `loraPro`'s. */
export function loraProAdamOpen(args: usize, chunk: i32, scratch: usize): void {
  for (let i = firstOf(args, chunk); i < min(endOf(args, chunk), entries(args)); i++) {
    const one = entry(args, OWN_WORDS, WORDS, i)
    openEntry(one, scratch)
    const a = address(one, RIGHT)
    const rows = a + floats(r * wide)
    const b = address(one, TALL)
    const left = address(one, LEFT)
    const Q = behind()
    const spare = Q + floats(outputs * narrow)
    const N = spare + floats(outputs * narrow)
    const s = float(one, SCALE)
    bases(address(one, A), address(one, B), Q, rows)
    coordinates(address(one, GA), address(one, GB), a, b)
    overlap(Q, floats(narrow), 1, b, N)
    addTall(Q, floats(narrow), -1, N, b, spare)
    copyRows(Q, floats(narrow), left, floats(2 * r), outputs, r, s)
    copyRows(b, floats(narrow), left + floats(r), floats(2 * r), outputs, r, s)
    packRows(a, floats(wide), 2 * r, inputs, address(one, PACKED))
    packTransposed(rows, address(one, TRANSPOSED))
  }
}

function partsOf(one: usize): i32 {
  return (int(one, OUTPUTS) + int(one, PER_PART) - 1) / int(one, PER_PART)
}

/** Scratch: 24·wide floats twice. A chunk is a part of a pair; with one chunk for all, they come one after the other. */
export function loraProAdamMove(args: usize, chunk: i32, scratch: usize): void {
  const first = firstOf(args, chunk)
  const end = endOf(args, chunk)
  let before = 0
  for (let i = 0; i < entries(args); i++) {
    const one = entry(args, OWN_WORDS, WORDS, i)
    const parts = partsOf(one)
    for (let part = max(first - before, 0); part < min(end - before, parts); part++) move(args, one, part, scratch)
    before += parts
  }
}

function move(args: usize, one: usize, part: i32, scratch: usize): void {
  const rank = int(one, R)
  const columns = int(one, INPUTS)
  const stride = floats(wholePanels(columns))
  const sum = address(one, PARTS) + <usize>(part * rank) * stride
  const from = part * int(one, PER_PART)
  const to = min(from + int(one, PER_PART), int(one, OUTPUTS))
  memory.fill(sum, 0, <usize>rank * stride)
  for (let row = from; row < to; row += ROWS) moveRows(args, one, row, min(ROWS, to - row), sum, scratch)
}

function moveRows(args: usize, one: usize, row: i32, count: i32, sum: usize, scratch: usize): void {
  const rank = int(one, R)
  const columns = int(one, INPUTS)
  const whole = wholePanels(columns)
  const narrow = floats(wholePanels(rank))
  const u = scratch
  const panels = u + floats(ROWS * whole)
  const pair = floats(2 * rank)
  const left = address(one, LEFT) + <usize>row * pair
  product(left, pair, 4, count, address(one, PACKED), 2 * rank, columns, u, floats(whole))
  let at = floats(row * columns)
  for (let i = 0; i < count; i++) {
    const g = u + floats(i * whole)
    adamSpan(
      g,
      address(one, M) + at,
      address(one, V) + at,
      g,
      address(one, M_NEXT) + at,
      address(one, V_NEXT) + at,
      columns,
      float(args, RATES),
      float(args, RATES + 1),
      float(args, RATES + 2),
      float(args, RATES + 3)
    )
    at += floats(columns)
  }
  const tall = address(one, TALL) + <usize>row * narrow
  product(u, floats(whole), 4, count, address(one, TRANSPOSED), columns, rank, tall, narrow)
  packRows(u, floats(whole), count, whole, panels)
  addProduct(left, 4, pair, rank, panels, count, whole, sum, floats(whole))
}

/** Scratch as `loraPro`'s. */
export function loraProAdamClose(args: usize, chunk: i32, scratch: usize): void {
  for (let i = firstOf(args, chunk); i < min(endOf(args, chunk), entries(args)); i++) {
    const one = entry(args, OWN_WORDS, WORDS, i)
    openEntry(one, scratch)
    const a = address(one, RIGHT)
    const rows = a + floats(r * wide)
    const b = address(one, TALL)
    const inverse: f32 = 1 / float(one, SCALE)
    addParts(one, a)
    scale(a, inverse * inverse, a, r * wide)
    scale(b, inverse, b, outputs * narrow)
    pullBack(
      int(args, X),
      a,
      b,
      address(one, LEFT),
      floats(2 * r),
      inverse,
      rows,
      address(one, TRANSPOSED),
      behind(),
      address(one, DA),
      address(one, DB)
    )
  }
}

/** The sum of all parts, in their order. */
function addParts(one: usize, to: usize): void {
  const size = r * wide
  let part = address(one, PARTS)
  memory.copy(to, part, floats(size))
  for (let i = 1; i < partsOf(one); i++) {
    part += floats(size)
    combine(to, 1, part, 1, to, size)
  }
}
