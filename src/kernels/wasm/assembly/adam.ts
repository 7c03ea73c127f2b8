/**
 * Adam's direction for a list of tensors, in one pass: two moments and the update from a gradient and two moments.
 *
 *   M' = β₁M + g     V' = β₂V + g²     u = M' / (√V'·c + e)
 *
 * Six streams through memory and nothing between. Every operation is rounded on its own, as in the reference: the same bits.
 */
import { address, float, floats, int } from "./arguments"
import { loadPart, storePart } from "./part"
import { BLOCK, blocksOf, endOf, entries, entry, firstOf, OWN } from "./lists"

// own words of the header
const B1: i32 = OWN
const B2: i32 = OWN + 1
const C: i32 = OWN + 2
const E: i32 = OWN + 3
const OWN_WORDS: i32 = 4

// words of an entry
const G: i32 = 0
const M: i32 = 1
const V: i32 = 2
const U: i32 = 3
const M_NEXT: i32 = 4
const V_NEXT: i32 = 5
const SIZE: i32 = 6
const WORDS: i32 = 7

// what Adam multiplies by, in all lanes: one copy a thread, set by `rates`
let b1: v128 = f32x4.splat(0)
let b2: v128 = f32x4.splat(0)
let c: v128 = f32x4.splat(0)
let e: v128 = f32x4.splat(0)

/** Reads β₁, β₂, c and e, which stand one after the other at `word`. */
export function rates(args: usize, word: i32): void {
  b1 = f32x4.splat(float(args, word))
  b2 = f32x4.splat(float(args, word + 1))
  c = f32x4.splat(float(args, word + 2))
  e = f32x4.splat(float(args, word + 3))
}

/** `count` elements. `u` may be `g`. */
export function adamRow(g: usize, m: usize, v: usize, u: usize, mNext: usize, vNext: usize, count: i32): void {
  const decay1 = b1
  const decay2 = b2
  const factor = c
  const offset = e
  const end = g + floats(count & ~3)
  while (g < end) {
    const x = v128.load(g)
    const first = f32x4.add(f32x4.mul(v128.load(m), decay1), x)
    const second = f32x4.add(f32x4.mul(v128.load(v), decay2), f32x4.mul(x, x))
    v128.store(mNext, first)
    v128.store(vNext, second)
    v128.store(u, f32x4.div(first, f32x4.add(f32x4.mul(f32x4.sqrt(second), factor), offset)))
    g += 16
    m += 16
    v += 16
    u += 16
    mNext += 16
    vNext += 16
  }
  const rest = count & 3
  if (rest === 0) return
  const x = loadPart(g, rest)
  const first = f32x4.add(f32x4.mul(loadPart(m, rest), decay1), x)
  const second = f32x4.add(f32x4.mul(loadPart(v, rest), decay2), f32x4.mul(x, x))
  storePart(mNext, first, rest)
  storePart(vNext, second, rest)
  storePart(u, f32x4.div(first, f32x4.add(f32x4.mul(f32x4.sqrt(second), factor), offset)), rest)
}

/** @see the head of this file */
export function adam(args: usize, chunk: i32, _scratch: usize): void {
  rates(args, B1)
  const first = firstOf(args, chunk)
  const end = endOf(args, chunk)
  let block = 0
  for (let i = 0; i < entries(args); i++) {
    const one = entry(args, OWN_WORDS, WORDS, i)
    const size = int(one, SIZE)
    const blocks = blocksOf(size)
    const from = max(first - block, 0) * BLOCK
    const to = min(min(end - block, blocks) * BLOCK, size)
    const at = floats(from)
    if (from < to) {
      adamRow(
        address(one, G) + at,
        address(one, M) + at,
        address(one, V) + at,
        address(one, U) + at,
        address(one, M_NEXT) + at,
        address(one, V_NEXT) + at,
        to - from
      )
    }
    block += blocks
  }
}
