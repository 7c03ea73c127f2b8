/**
 * Softmax cross-entropy with integer labels; equations as in `src/kernels/cross-entropy.ts`. Chunks are ranges of rows, except for the
 * mean, which is one chunk.
 */
import { CrossEntropyBackward, CrossEntropyMean, CrossEntropyStatistics } from "./declared"
import { exp } from "./exp"
import { floats, loadPart, storePart, total } from "./vectors"

/** the bits of √½ */
const ROOT_HALF: u64 = 0x3fe6a09e00000000

export function largest(z: usize, count: i32): f32 {
  let m = f32x4.splat(-Infinity)
  const whole = z + floats(count & ~3)
  const end = whole + floats(count & 3)
  while (z < whole) {
    m = f32x4.pmax(m, v128.load(z))
    z += 16
  }
  let most = max(
    max(f32x4.extract_lane(m, 0), f32x4.extract_lane(m, 1)),
    max(f32x4.extract_lane(m, 2), f32x4.extract_lane(m, 3))
  )
  while (z < end) {
    most = max(most, load<f32>(z))
    z += 4
  }
  return most
}

/** Σ exp(z − m); terms that do not fill a vector are made with −∞ in its other places. */
export function sumOfExponentials(z: usize, count: i32, m: f32): f32 {
  const maxima = f32x4.splat(m)
  let sum = f32x4.splat(0)
  const end = z + floats(count & ~3)
  while (z < end) {
    sum = f32x4.add(sum, exp(f32x4.sub(v128.load(z), maxima)))
    z += 16
  }
  const rest = count & 3
  if (rest === 0) return total(sum)
  const last = exp(f32x4.sub(loadPart(z, rest), maxima))
  let tail = f32x4.extract_lane(last, 0)
  if (rest > 1) tail += f32x4.extract_lane(last, 1)
  if (rest > 2) tail += f32x4.extract_lane(last, 2)
  return total(sum) + tail
}

/** The statistics of a range of rows. */
export function crossEntropyStatistics(args: CrossEntropyStatistics, chunk: i32, _scratch: usize): void {
  const classes = args.classes
  const first = chunk * args.perChunk
  const last = min(first + args.perChunk, args.rows)
  for (let i = first; i < last; i++) {
    const z = args.z + floats(classes) * <usize>i
    const to = args.statistics + floats(2 * i)
    const m = largest(z, classes)
    store<f32>(to, m)
    store<f32>(to + 4, sumOfExponentials(z, classes, m))
  }
}

/**
 * log x for x ≥ 1 or NaN, as fdlibm computes it: x = 2ᵏ·(1 + f), √½ < 1 + f < √2, s = f/(2 + f), log(1 + f) = f − s·(f − R(s²)).
 * The compiler's own log has tables, for which there is no place in a memory that is tfjs's.
 */
export function log(x: f64): f64 {
  if (!(x < Infinity)) return x
  const bits = reinterpret<u64>(x) + (0x3ff0000000000000 - ROOT_HALF) // the carry shows a fraction above √2
  const k = <f64>(<i32>(bits >> 52) - 1023)
  const f = reinterpret<f64>((bits & 0xfffffffffffff) + ROOT_HALF) - 1
  const s = f / (2 + f)
  const z = s * s
  const w = z * z
  const even = w * (0.3999999999940941908 + w * (0.2222219843214978396 + w * 0.1531383769920937332))
  const odd = z * (0.6666666666666735130 + w * (0.2857142874366239149 + w * (0.1818357216161805012 + w * 0.1479819860511658591)))
  const half = 0.5 * f * f
  return k * 0.6931471805599453094 + (f - (half - s * (half + even + odd)))
}

/** The mean over the rows that count. */
export function crossEntropyMean(args: CrossEntropyMean, _chunk: i32, _scratch: usize): void {
  const classes = args.classes
  let sum: f64 = 0
  let count: i32 = 0
  for (let i = 0; i < args.rows; i++) {
    const label = load<i32>(args.labels + floats(i))
    if (label === args.ignored) continue
    count++
    if (<u32>label >= <u32>classes) {
      sum = NaN
      continue
    }
    const statistics = args.statistics + floats(2 * i)
    const z = load<f32>(args.z + floats(classes) * <usize>i + floats(label))
    sum += log(<f64>load<f32>(statistics + 4)) - (<f64>z - <f64>load<f32>(statistics))
  }
  store<f32>(args.loss, <f32>(sum / <f64>max(count, 1)))
}

/** dz of a range of rows. */
export function crossEntropyBackward(args: CrossEntropyBackward, chunk: i32, _scratch: usize): void {
  const classes = args.classes
  const ignored = args.ignored
  let count: i32 = 0
  for (let i = 0; i < args.rows; i++) {
    if (load<i32>(args.labels + floats(i)) !== ignored) count++
  }
  const share = load<f32>(args.dy) / <f32>max(count, 1)
  const first = chunk * args.perChunk
  const last = min(first + args.perChunk, args.rows)
  for (let i = first; i < last; i++) {
    const label = load<i32>(args.labels + floats(i))
    const offset = floats(classes) * <usize>i
    const out = args.dz + offset
    if (label === ignored) {
      memory.fill(out, 0, floats(classes))
      continue
    }
    const statistics = args.statistics + floats(2 * i)
    const scale = <u32>label < <u32>classes ? share / load<f32>(statistics + 4) : NaN
    exponentials(args.z + offset, load<f32>(statistics), scale, out, classes)
    if (<u32>label < <u32>classes) store<f32>(out + floats(label), load<f32>(out + floats(label)) - share)
  }
}

/** exp(z − m)·scale */
function exponentials(z: usize, m: f32, scale: f32, out: usize, count: i32): void {
  const maxima = f32x4.splat(m)
  const scales = f32x4.splat(scale)
  const end = z + floats(count & ~3)
  while (z < end) {
    v128.store(out, f32x4.mul(exp(f32x4.sub(v128.load(z), maxima)), scales))
    z += 16
    out += 16
  }
  const rest = count & 3
  if (rest !== 0) storePart(out, f32x4.mul(exp(f32x4.sub(loadPart(z, rest), maxima)), scales), rest)
}
