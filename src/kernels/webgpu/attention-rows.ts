/**
 * Attention on a GPU. An invocation holds its row of a head (a query; a key in dK and dV) in registers, as vec4, and walks over the other
 * side, whose rows all invocations of a workgroup read at the same time: one address, which a GPU reads once. So there is no tile in workgroup
 * memory to fill and to wait for, and q, k and v are read where they are, heads side by side. A row of more than 32 columns is split among
 * invocations, which add up their parts of a score.
 *
 * A workgroup walks over those keys that one of its queries may attend, or those queries that may attend one of its keys.
 */
import {
  type AttentionPrograms,
  biasOf,
  declarations,
  endOfKeys,
  endOfQueries,
  firstKey,
  firstQuery,
  inverseOf,
  KEY_WIDTH,
  LOWEST,
  OF_KEYS,
  OF_MEMBER,
  OF_QUERIES,
  PLACES,
  QUERY_WIDTH,
  scoresOf
} from "./attention-scores.ts"
import { program, variants } from "./program.ts"

/** How the rows of a head lie over a workgroup: the key of a variant. */
interface Layout {
  /** the scores have a bias */
  readonly biased: boolean
  /** invocations that a row is split among */
  readonly parts: number
  /** vec4 of a row that one invocation holds */
  readonly quads: number
  /** invocations side by side, each with a row of its own */
  readonly lanes: number
  /** Do the parts fill their vec4? They are then read as such. */
  readonly full: boolean
}

/** dK and dV hold four rows of this many vec4: half of the registers that an invocation may have. */
const MOST_QUADS = 8
const MOST_INVOCATIONS = 256

const layoutOf = (d: number, biased: boolean): Layout => {
  const quads = Math.ceil(d / 4)
  const parts = Math.ceil(quads / MOST_QUADS)
  let lanes = 64
  while (lanes * parts > MOST_INVOCATIONS) lanes /= 2
  return { biased, parts, quads: Math.ceil(quads / parts), lanes, full: d % (4 * parts) === 0 }
}

const times = (n: number, text: (i: number) => string, between = "\n    "): string =>
  Array.from({ length: n }, (_, i) => text(i)).join(between)

/** of an invocation's part of a row, in elements of the buffers */
const columnsOf = ({ quads, full }: Layout): number => (full ? quads : 4 * quads)

/** Σ over the vec4 of two rows: `a0 * b0 + a1 * b1 …`, in the same order in every program. */
const dot = ({ quads }: Layout, a: string, b: string): string =>
  `dot(${times(quads, (i) => `${a}${i} * ${b}${i}`, " + ")}, vec4f(1.0))`

/** `fn read_x(at, quad, left)`: a vec4 of what begins at `at`, where `left` columns of the head are left. */
const reader = ({ full }: Layout, name: string): string =>
  full
    ? `fn read_${name}(at: u32, quad: u32, left: u32) -> vec4f { return ${name}[at + quad]; }`
    : `fn read_${name}(at: u32, quad: u32, left: u32) -> vec4f {
  let column = vec4u(0u, 1u, 2u, 3u) + 4u * quad;
  let values = vec4f(${PLACES.map((of) => `${name}[at + column.${of}]`).join(", ")});
  return select(vec4f(0.0), values, column < vec4u(left));
}`

const writer = ({ full }: Layout, name: string): string =>
  full
    ? `fn write_${name}(at: u32, quad: u32, left: u32, values: vec4f) { ${name}[at + quad] = values; }`
    : `fn write_${name}(at: u32, quad: u32, left: u32, values: vec4f) {
  let column = 4u * quad;
  ${PLACES.map((of, i) => `if (column + ${i}u < left) { ${name}[at + column + ${i}u] = values.${of}; }`).join("\n  ")}
}`

/** The functions that a program's body calls. */
const functions = (layout: Layout, reads: ReadonlyArray<string>, writes: ReadonlyArray<string>): string =>
  [...reads.map((name) => reader(layout, name)), ...writes.map((name) => writer(layout, name)), whole(layout)].join(
    "\n"
  )

/** A row as variables `as0`, `as1`, … */
const read = ({ quads }: Layout, name: string, at: string, as: string): string =>
  times(quads, (i) => `let ${as}${i} = read_${name}(${at}, ${i}u, left);`)

const zeros = ({ quads }: Layout, name: string): string => times(quads, (i) => `var ${name}${i} = vec4f(0.0);`)

/** Writes the own row, or the invocation's part of it. */
const write = ({ quads }: Layout, name: string, value: (quad: number) => string): string =>
  times(quads, (i) => `write_${name}(at, ${i}u, left, ${value(i)});`)

/** `fn whole(part, local)`: four sums over a row of which each invocation has a part. */
const whole = ({ parts, lanes }: Layout): string =>
  parts === 1
    ? "fn whole(part: vec4f, local: u32) -> vec4f { return part; }"
    : `var<workgroup> sums: array<vec4f, ${lanes * parts}>;
fn whole(part: vec4f, local: u32) -> vec4f {
  workgroupBarrier();
  sums[local] = part;
  workgroupBarrier();
  var sum = sums[local % ${lanes}u];
  for (var i = 1u; i < ${parts}u; i++) { sum += sums[local % ${lanes}u + i * ${lanes}u]; }
  return sum;
}`

/** Four numbers as a vec4; 0 where there are fewer. */
const vec4 = (numbers: ReadonlyArray<string>): string =>
  `vec4f(${PLACES.map((_, i) => numbers[i] ?? "0.0").join(", ")})`

/**
 * `row`, or for an invocation without one the last: who has no row must come to the barriers all the same, and attends
 * nothing.
 */
const opening = (layout: Layout, side: "queries" | "keys"): string => {
  const columns = columnsOf(layout)
  const [start, width] = side === "queries" ? ["queryStart", QUERY_WIDTH] : ["keyStart", KEY_WIDTH]
  return `${side === "queries" ? OF_QUERIES : OF_KEYS}
  let part = local / ${layout.lanes}u;
  let skipped = part * ${columns}u;
  let left = words.d - min(words.d, skipped);
  let block = (group % words.blocks) * ${layout.lanes}u;
  let exists = block + local % ${layout.lanes}u < words.${side};
  let row = min(block + local % ${layout.lanes}u, words.${side} - 1u);
  let lastRow = min(block + ${layout.lanes}u, words.${side}) - 1u;
  let at = ${start} + skipped + row * ${width};`
}

/** Keys of a forward pass at a time: as many as a vec4 has places, with one maximum for all of them. */
const KEYS = 4

const forward = (layout: Layout): string => {
  const of = (place: string) => biasOf(layout.biased, "row", `near.${place}`).replace(" + ", "")
  const biases = layout.biased ? ` + ${vec4(PLACES.map(of))}` : ""
  return `${functions(layout, ["q", "k", "v"], ["o"])}
${scoresOf("vec4f")}
fn kernel(group: u32, local: u32) {
  ${opening(layout, "queries")}
  let t = vec4i(i32(row) + shift);
  let end = ${endOfKeys("lastRow")};
  let segment = select(-1, querySegments[batch * words.queries + row], exists);
  ${read(layout, "q", "at", "q")}
  ${zeros(layout, "o")}
  var most = f32(${LOWEST});
  var total = 0.0;
  var spoilt = false;
  var some = false;
  let first = keyStart + skipped;
  for (var key = ${firstKey("block")}; key < end; key += ${KEYS}u) {
    let keys = vec4u(key, key + 1u, key + 2u, key + 3u);
    let near = min(keys, vec4u(words.keys - 1u));
    let segments = vec4i(${PLACES.map((of) => `keySegments[batch * words.keys + near.${of}]`).join(", ")});
    let attended = attends(t, vec4i(segment), vec4i(keys), segments) & (keys < vec4u(words.keys));
    ${times(KEYS, (j) => `let other${j} = first + near.${PLACES[j]} * ${KEY_WIDTH};`)}
    ${times(KEYS, (j) => read(layout, "k", `other${j}`, `k${j}_`))}
    let c = capped(whole(${vec4(PLACES.map((_, j) => dot(layout, "q", `k${j}_`)))}, local) * words.scale${biases});
    let counted = attended & usable(c);
    some = some || any(attended);
    spoilt = spoilt || any(attended & spoils(c));
    let high = select(vec4f(${LOWEST}), c, counted);
    let higher = max(most, max(max(high.x, high.y), max(high.z, high.w)));
    let p = select(vec4f(0.0), exp(high - vec4f(higher)), counted);
    let kept = exp(most - higher);
    most = higher;
    total = total * kept + dot(p, vec4f(1.0));
    ${times(KEYS, (j) => read(layout, "v", `other${j}`, `v${j}_`))}
    ${times(layout.quads, (i) => `o${i} = o${i} * kept + ${PLACES.map((of, j) => `p.${of} * v${j}_${i}`).join(" + ")};`)}
  }
  if (!exists) { return; }
  let inverse = ${inverseOf("total", "spoilt", "some")};
  ${write(layout, "o", (i) => `o${i} * inverse`)}
  if (part == 0u) { statistics[rowStart + row] = vec2f(most, inverse); }
}`
}

const queryGradient = (layout: Layout): string => `${functions(layout, ["q", "k", "v", "go"], ["dq"])}
${scoresOf("f32")}
fn kernel(group: u32, local: u32) {
  ${opening(layout, "queries")}
  let own = rows[rowStart + row];
  let segment = select(-1, bitcast<i32>(own.w), exists);
  ${read(layout, "q", "at", "q")}
  ${read(layout, "go", "at", "g")}
  ${zeros(layout, "dq")}
  let first = keyStart + skipped;
  let end = ${endOfKeys("lastRow")};
  for (var key = ${firstKey("block")}; key < end; key++) {
    let other = first + key * ${KEY_WIDTH};
    let attended = attends(i32(row) + shift, segment, i32(key), keySegments[batch * words.keys + key]);
    ${read(layout, "k", "other", "k")}
    ${read(layout, "v", "other", "v")}
    let sums = whole(${vec4([dot(layout, "q", "k"), dot(layout, "g", "v")])}, local);
    let c = capped(sums.x * words.scale${biasOf(layout.biased, "row", "key")});
    let p = probability(c, bitcast<f32>(own.x), bitcast<f32>(own.y));
    let ds = select(0.0, p * slope(c) * (sums.y - bitcast<f32>(own.z)), attended);
    ${times(layout.quads, (i) => `dq${i} += ds * k${i};`)}
  }
  if (!exists) { return; }
  ${write(layout, "dq", (i) => `dq${i} * words.scale`)}
}`

const keyGradient = (layout: Layout): string => `${functions(layout, ["q", "k", "v", "go"], ["dk", "dv"])}
${scoresOf("f32")}
fn kernel(group: u32, local: u32) {
  ${opening(layout, "keys")}
  let segment = select(-1, bitcast<i32>(rows[segmentStart + row].w), exists);
  ${read(layout, "k", "at", "k")}
  ${read(layout, "v", "at", "v")}
  ${zeros(layout, "dk")}
  ${zeros(layout, "dv")}
  for (var member = 0u; member < words.group; member++) {
    ${OF_MEMBER}
    for (var query = ${firstQuery("block")}; query < ${endOfQueries("lastRow")}; query++) {
      let other = queryStart + skipped + query * ${QUERY_WIDTH};
      let its = rows[rowStart + query];
      let attended = attends(i32(query) + shift, bitcast<i32>(its.w), i32(row), segment);
      ${read(layout, "q", "other", "q")}
      ${read(layout, "go", "other", "g")}
      let sums = whole(${vec4([dot(layout, "q", "k"), dot(layout, "g", "v")])}, local);
      let c = capped(sums.x * words.scale${biasOf(layout.biased, "query", "row")});
      let p = select(0.0, probability(c, bitcast<f32>(its.x), bitcast<f32>(its.y)), attended);
      let ds = select(0.0, p * slope(c) * (sums.y - bitcast<f32>(its.z)), attended);
      ${times(layout.quads, (i) => `dv${i} += p * g${i}; dk${i} += ds * q${i};`)}
    }
  }
  if (!exists) { return; }
  ${write(layout, "dk", (i) => `dk${i} * words.scale`)}
  ${write(layout, "dv", (i) => `dv${i}`)}
}`

const programs = variants((key: string): AttentionPrograms => {
  const layout = JSON.parse(key) as Layout
  const declaration = declarations(layout.full ? "vec4f" : "f32", layout.biased)
  const workgroup = layout.lanes * layout.parts
  return {
    forward: program({ ...declaration.forward, workgroup, body: forward(layout) }),
    queryGradient: program({ ...declaration.queryGradient, workgroup, body: queryGradient(layout) }),
    keyGradient: program({ ...declaration.keyGradient, workgroup, body: keyGradient(layout) }),
    rows: layout.lanes,
    unit: layout.full ? 4 : 1
  }
})

/** Returns the programs for heads of d columns. */
export const attentionByRows = (d: number, biased: boolean): AttentionPrograms =>
  programs(JSON.stringify(layoutOf(d, biased)))
