/**
 * Inputs written from a grammar: each is nearly what a reader expects, with hostile values where a file has values. Bytes that are changed at
 * random (mutate.ts) rarely get past a parser; these do, and reach what trusts it.
 */
import type { Random } from "../../src/numbers/random.ts"
import { below, hostile, pick } from "./mutate.ts"

/** Makes a part of an input from a random stream. */
export type Made<A> = (random: Random) => A

export const among =
  <A>(...values: ReadonlyArray<A>): Made<A> =>
  (random) =>
    pick(values, random)

export const one =
  <A>(...choices: ReadonlyArray<Made<A>>): Made<A> =>
  (random) =>
    pick(choices, random)(random)

/** `usual`, and one time in `rarity` the other. */
export const seldom =
  <A>(rarity: number, other: Made<A>, usual: Made<A>): Made<A> =>
  (random) =>
    random() * rarity < 1 ? other(random) : usual(random)

export const list =
  <A>(item: Made<A>, most: number, least = 0): Made<ReadonlyArray<A>> =>
  (random) =>
    Array.from({ length: least + below(most - least + 1, random) }, () => item(random))

/** Of a key that is left out. */
const absent = Symbol("absent")

export const optional =
  (made: Made<unknown>, share = 0.5): Made<unknown> =>
  (random) =>
    random() < share ? made(random) : absent

export const object =
  (fields: Readonly<Record<string, Made<unknown>>>): Made<Record<string, unknown>> =>
  (random) =>
    Object.fromEntries(
      Object.entries(fields)
        .map(([key, made]) => [key, made(random)] as const)
        .filter(([, value]) => value !== absent)
    )

/** Numbers that counts, sizes and ids are made of. */
export const size: Made<number> = seldom(
  12,
  among(-1, 0.5, 1e9, 2 ** 31, 2 ** 32, 2 ** 53, 1e308, -(2 ** 31)),
  among(0, 1, 2, 3, 4, 7, 8, 16)
)

/** Short texts, and those that terminals, paths, prototypes and tables stumble over. */
export const text: Made<string> = seldom(
  6,
  among(
    "",
    " ",
    "\u0000",
    "\u001b[31m",
    "\ud800",
    "../x",
    "/etc/passwd",
    "__proto__",
    "constructor",
    "x".repeat(3_000)
  ),
  among("a", "b", "text", "label", "film", "é", "电影", "🎬", "a b", "0")
)

/** Any JSON value in the place of the right one, now and then. */
export const sound = (made: Made<unknown>, rarity = 60): Made<unknown> => seldom<unknown>(rarity, hostile, made)

const encoder = new TextEncoder()

/** Little-endian bytes, appended. */
export class Bytes {
  private readonly parts: Array<Uint8Array> = []
  length = 0

  add(...parts: ReadonlyArray<Uint8Array | ReadonlyArray<number>>): this {
    for (const part of parts) {
      const bytes = part instanceof Uint8Array ? part : Uint8Array.from(part)
      this.parts.push(bytes)
      this.length += bytes.length
    }
    return this
  }

  text(value: string): this {
    return this.add(encoder.encode(value))
  }

  u32(value: number): this {
    return this.add(new Uint8Array(new Uint32Array([value]).buffer))
  }

  u64(value: number): this {
    const whole = Number.isFinite(value) ? BigInt(Math.trunc(value)) : 2n ** 63n
    return this.add(new Uint8Array(new BigUint64Array([BigInt.asUintN(64, whole)]).buffer))
  }

  f32(value: number): this {
    return this.add(new Uint8Array(new Float32Array([value]).buffer))
  }

  whole(): Uint8Array {
    const bytes = new Uint8Array(this.length)
    let at = 0
    for (const part of this.parts) {
      bytes.set(part, at)
      at += part.length
    }
    return bytes
  }
}
