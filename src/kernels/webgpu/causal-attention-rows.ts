/**
 * Causal attention on a GPU, as attention is there (`attention-rows.ts`): an invocation holds its row in registers and
 * walks over the other side. A workgroup walks over those keys that one of its queries may attend, or those queries
 * that may attend one of its keys.
 */
import { LOWEST, PLACES } from "./attention-statistics.ts"
import {
  type CausalPrograms,
  declarations,
  endOfQueries,
  firstKey,
  firstQuery,
  inverseOf,
  KEY_WIDTH,
  OF_KEYS,
  OF_MEMBER,
  OF_QUERIES,
  QUERY_WIDTH,
  scoresOf
} from "./causal-scores.ts"
import { columnsOf, dot, functions, type Layout, layoutOf, read, times, vec4, write, zeros } from "./head-rows.ts"
import { program, variants } from "./program.ts"

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

const forward = (layout: Layout): string => `${functions(layout, ["q", "k", "v"], ["o"])}
${scoresOf("vec4f")}
fn kernel(group: u32, local: u32) {
  ${opening(layout, "queries")}
  let t = row + shift;
  let segment = select(-1, querySegments[batch * words.queries + row], exists);
  ${read(layout, "q", "at", "q")}
  ${zeros(layout, "o")}
  var most = f32(${LOWEST});
  var total = 0.0;
  var spoilt = false;
  var some = false;
  let first = keyStart + skipped;
  for (var key = ${firstKey("(block + shift)")}; key <= lastRow + shift; key += ${KEYS}u) {
    let keys = vec4u(key, key + 1u, key + 2u, key + 3u);
    let near = min(keys, vec4u(words.keys - 1u));
    let segments = vec4i(${PLACES.map((of) => `keySegments[batch * words.keys + near.${of}]`).join(", ")});
    let attended = attends(vec4u(t), vec4i(segment), keys, segments);
    ${times(KEYS, (j) => `let other${j} = first + near.${PLACES[j]} * ${KEY_WIDTH};`)}
    ${times(KEYS, (j) => read(layout, "k", `other${j}`, `k${j}_`))}
    let c = capped(whole(${vec4(PLACES.map((_, j) => dot(layout, "q", `k${j}_`)))}, local) * words.scale);
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
  for (var key = ${firstKey("(block + shift)")}; key <= lastRow + shift; key++) {
    let other = first + key * ${KEY_WIDTH};
    let attended = attends(row + shift, segment, key, keySegments[batch * words.keys + key]);
    ${read(layout, "k", "other", "k")}
    ${read(layout, "v", "other", "v")}
    let sums = whole(${vec4([dot(layout, "q", "k"), dot(layout, "g", "v")])}, local);
    let c = capped(sums.x * words.scale);
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
  let segment = select(-1, keySegments[batch * words.keys + row], exists);
  ${read(layout, "k", "at", "k")}
  ${read(layout, "v", "at", "v")}
  ${zeros(layout, "dk")}
  ${zeros(layout, "dv")}
  for (var member = 0u; member < words.group; member++) {
    ${OF_MEMBER}
    for (var query = ${firstQuery("block")}; query < ${endOfQueries("lastRow")}; query++) {
      let other = queryStart + skipped + query * ${QUERY_WIDTH};
      let its = rows[rowStart + query];
      let attended = attends(query + shift, bitcast<i32>(its.w), row, segment);
      ${read(layout, "q", "other", "q")}
      ${read(layout, "go", "other", "g")}
      let sums = whole(${vec4([dot(layout, "q", "k"), dot(layout, "g", "v")])}, local);
      let c = capped(sums.x * words.scale);
      let p = select(0.0, probability(c, bitcast<f32>(its.x), bitcast<f32>(its.y)), attended);
      let ds = select(0.0, p * slope(c) * (sums.y - bitcast<f32>(its.z)), attended);
      ${times(layout.quads, (i) => `dv${i} += p * g${i}; dk${i} += ds * q${i};`)}
    }
  }
  if (!exists) { return; }
  ${write(layout, "dk", (i) => `dk${i} * words.scale`)}
  ${write(layout, "dv", (i) => `dv${i}`)}
}`

const programs = variants((key: string): CausalPrograms => {
  const layout = JSON.parse(key) as Layout
  const own = declarations(layout.full ? "vec4f" : "f32")
  const workgroup = layout.lanes * layout.parts
  return {
    forward: program({ ...own.forward, workgroup, body: forward(layout) }),
    queryGradient: program({ ...own.queryGradient, workgroup, body: queryGradient(layout) }),
    keyGradient: program({ ...own.keyGradient, workgroup, body: keyGradient(layout) }),
    rows: layout.lanes,
    unit: layout.full ? 4 : 1
  }
})

/** The programs for heads of d columns. */
export const causalByRows = (d: number): CausalPrograms => programs(JSON.stringify(layoutOf(d)))
