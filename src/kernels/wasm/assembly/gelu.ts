/**
 * GELU, value and derivative in one pass over x; equations and coefficients as in `src/kernels/gelu.ts`.
 *
 * A chunk is a range of elements. Its last few, if they do not fill a vector, go through 48 bytes of scratch.
 */
import { floats } from "./arguments"
import { Gelu, Multiply } from "./declared"
import { exp } from "./exp"
import { madd } from "./madd"

const TANH_SCALE: f32 = 0.7978845608028654 // √(2/π)
const TANH_CUBIC: f32 = 0.044715
const DENSITY: f32 = 0.3989422804014327 // 1/√(2π)

// @ts-ignore: a decorator
@inline
function erfForm(from: usize, value: usize, derivative: usize): void {
  const one = f32x4.splat(1)
  const x = v128.load(from)
  const a = f32x4.abs(x)
  const t = f32x4.div(one, madd(a, f32x4.splat(0.33), one))
  let p = f32x4.splat(0.04674591650907277)
  p = madd(p, t, f32x4.splat(-0.22612278369951086))
  p = madd(p, t, f32x4.splat(0.34178562625492426))
  p = madd(p, t, f32x4.splat(-0.09991348510142087))
  p = madd(p, t, f32x4.splat(0.18698253108981827))
  p = madd(p, t, f32x4.splat(0.11768921904795343))
  p = madd(p, t, f32x4.splat(0.13283298533721913))
  const e = exp(f32x4.mul(f32x4.mul(a, a), f32x4.splat(-0.5)))
  const tail = f32x4.mul(f32x4.mul(p, t), e)
  v128.store(value, f32x4.sub(f32x4.pmax(x, f32x4.splat(0)), f32x4.mul(a, tail)))
  const slope = f32x4.sub(tail, f32x4.mul(f32x4.mul(e, a), f32x4.splat(DENSITY)))
  v128.store(derivative, v128.bitselect(f32x4.sub(one, slope), slope, f32x4.gt(x, f32x4.splat(0))))
}

// @ts-ignore: a decorator
@inline
function tanhForm(from: usize, value: usize, derivative: usize): void {
  const one = f32x4.splat(1)
  const x = v128.load(from)
  const square = f32x4.mul(x, x)
  const slope = f32x4.splat(2 * TANH_SCALE)
  const twoU = f32x4.mul(x, madd(square, f32x4.splat(2 * TANH_SCALE * TANH_CUBIC), slope))
  const gate = f32x4.div(one, f32x4.add(one, exp(f32x4.neg(twoU))))
  const y = f32x4.mul(x, gate)
  v128.store(value, y)
  const twoUPrime = madd(square, f32x4.splat(6 * TANH_SCALE * TANH_CUBIC), slope)
  v128.store(derivative, madd(f32x4.mul(f32x4.sub(one, gate), y), twoUPrime, gate))
}

// @ts-ignore: a decorator
@inline
function form(tanh: bool, from: usize, value: usize, derivative: usize): void {
  if (tanh) tanhForm(from, value, derivative)
  else erfForm(from, value, derivative)
}

// inlined, so that each kernel has one form in its loop
// @ts-ignore: a decorator
@inline
function overElements(tanh: bool, args: Gelu, chunk: i32, scratch: usize): void {
  const first = chunk * args.perChunk
  const count = min(args.perChunk, args.size - first)
  let from = args.x + floats(first)
  let value = args.value + floats(first)
  let derivative = args.derivative + floats(first)
  const end = from + floats(count & ~3)
  while (from < end) {
    form(tanh, from, value, derivative)
    from += 16
    value += 16
    derivative += 16
  }
  const rest = floats(count & 3)
  if (rest === 0) return
  memory.copy(scratch, from, rest)
  form(tanh, scratch, scratch + 16, scratch + 32)
  memory.copy(value, scratch + 16, rest)
  memory.copy(derivative, scratch + 32, rest)
}

/** Scratch: 48 bytes. */
export function geluErf(args: Gelu, chunk: i32, scratch: usize): void {
  overElements(false, args, chunk, scratch)
}

/** Scratch: 48 bytes. */
export function geluTanh(args: Gelu, chunk: i32, scratch: usize): void {
  overElements(true, args, chunk, scratch)
}

/** out = a∘b: the backward pass. */
export function multiply(args: Multiply, chunk: i32, _scratch: usize): void {
  const first = chunk * args.perChunk
  const count = min(args.perChunk, args.size - first)
  let a = args.a + floats(first)
  let b = args.b + floats(first)
  let out = args.out + floats(first)
  const whole = a + floats(count & ~3)
  while (a < whole) {
    v128.store(out, f32x4.mul(v128.load(a), v128.load(b)))
    a += 16
    b += 16
    out += 16
  }
  const end = whole + floats(count & 3)
  while (a < end) {
    store<f32>(out, load<f32>(a) * load<f32>(b))
    a += 4
    b += 4
    out += 4
  }
}
