/**
 * Attention on a GPU. An invocation holds its row of a head (a query; a key in dK and dV) in registers and walks over
 * the other side, whose rows all invocations of a workgroup read at the same time: one address, which a GPU reads once.
 * So there is no tile in workgroup memory to fill and to wait for, and q, k and v are read where they are, heads side
 * by side. A row of more than 32 columns is split among invocations, which add up their parts of a score.
 */
import { type AttentionPrograms, declarations, LOWEST, PLACES, PROBABILITY, WHERE } from "./attention-statistics.ts"
import { columnsOf, dot, functions, type Layout, layoutOf, read, times, vec4, write, zeros } from "./head-rows.ts"
import { program, variants } from "./program.ts"

/**
 * `own` is the number of the invocation's row, or what would be its number, `row` that of one that exists. `first` is
 * where this part of the head's row 0 begins in q, k and v, and `at` that of the own row.
 */
const opening = (layout: Layout): string => {
  const { parts, lanes } = layout
  const columns = columnsOf(layout)
  return `${WHERE}
  let part = local / ${lanes}u;
  let left = words.d - min(words.d, part * ${columns}u);
  let first = batch * words.length * words.width + head * words.d + part * ${columns}u;
  let own = (group % words.blocks) * ${lanes}u + local % ${lanes}u;
  ${parts > 1 ? "// who has no row must come to the barriers all the same" : "if (own >= words.length) { return; }"}
  let row = min(own, words.length - 1u);
  let at = first + row * words.width;`
}

/** As many keys at a time as a vec4 has places, with one maximum for all of them. */
const KEYS = 4

/** The next `count` keys of a forward pass. */
const attend = (layout: Layout, count: number): string => {
  const keys = PLACES.slice(0, count).map((place, j) => ({ place, j }))
  const sum = (i: number) => keys.map(({ place, j }) => `p.${place} * v${j}_${i}`).join(" + ")
  const exists = `vec4<bool>(${PLACES.map((_, j) => j < count).join(", ")})`
  return `let added = ${vec4(keys.map(({ j }) => `mask[batch * words.length + key + ${j}u]`))};
    ${times(count, (j) => `let other${j} = first + (key + ${j}u) * words.width;`)}
    ${times(count, (j) => read(layout, "k", `other${j}`, `k${j}_`))}
    let scores = whole(${vec4(keys.map(({ j }) => dot(layout, "q", `k${j}_`)))}, local) * words.scale + added;
    let bits = bitcast<vec4u>(scores);
    let finite = ((bits & vec4u(0x7f800000u)) != vec4u(0x7f800000u)) & ${exists};
    spoilt = spoilt || any(!finite & (bits != vec4u(0xff800000u)) & ${exists});
    let counted = select(vec4f(${LOWEST}), scores, finite);
    let higher = max(most, max(max(counted.x, counted.y), max(counted.z, counted.w)));
    let p = select(vec4f(0.0), exp(counted - vec4f(higher)), finite);
    let kept = exp(most - higher);
    most = higher;
    total = total * kept + dot(p, vec4f(1.0));
    ${times(count, (j) => read(layout, "v", `other${j}`, `v${j}_`))}
    ${times(layout.quads, (i) => `o${i} = o${i} * kept + ${sum(i)};`)}`
}

const forward = (layout: Layout): string => `${functions(layout, ["q", "k", "v"], ["o"])}
${PROBABILITY}
fn kernel(group: u32, local: u32) {
  ${opening(layout)}
  ${read(layout, "q", "at", "q")}
  ${zeros(layout, "o")}
  var most = f32(${LOWEST});
  var total = 0.0;
  var spoilt = false;
  var key = 0u;
  for (; key + ${KEYS - 1}u < words.length; key += ${KEYS}u) {
    ${attend(layout, KEYS)}
  }
  for (; key < words.length; key++) {
    ${attend(layout, 1)}
  }
  if (own >= words.length) { return; }
  var inverse = 1.0 / total;
  if (spoilt || total == 0.0) { inverse = notANumber(); }
  ${write(layout, "o", (i) => `o${i} * inverse`)}
  if (part != 0u) { return; }
  statistics[maxima + own] = most;
  statistics[inverses + own] = inverse;
  if (head == 0u) { statistics[masks + own] = mask[batch * words.length + own]; }
}`

const queryGradient = (layout: Layout): string => {
  const { quads } = layout
  return `${functions(layout, ["q", "k", "v", "o", "go"], ["dq"])}
${PROBABILITY}
fn kernel(group: u32, local: u32) {
  ${opening(layout)}
  ${read(layout, "q", "at", "q")}
  ${read(layout, "go", "at", "g")}
  var share = vec4f(0.0);
  for (var i = 0u; i < ${quads}u; i++) { share += read_go(at, i, left) * read_o(at, i, left); }
  let D = whole(${vec4(["dot(share, vec4f(1.0))"])}, local).x;
  if (part == 0u && own < words.length) { along[matrix * words.length + own] = D; }
  let most = vec4f(statistics[maxima + row]);
  let inverse = vec4f(statistics[inverses + row]);
  ${zeros(layout, "dq")}
  for (var key = 0u; key < words.length; key++) {
    let other = first + key * words.width;
    ${read(layout, "k", "other", "k")}
    ${read(layout, "v", "other", "v")}
    let sums = whole(${vec4([dot(layout, "q", "k"), dot(layout, "g", "v")])}, local);
    let p = probability(vec4f(sums.x * words.scale + statistics[masks + key]), most, inverse).x;
    let ds = p * (sums.y - D);
    ${times(quads, (i) => `dq${i} += ds * k${i};`)}
  }
  if (own >= words.length) { return; }
  ${write(layout, "dq", (i) => `dq${i} * words.scale`)}
}`
}

const keyGradient = (layout: Layout): string => `${functions(layout, ["q", "k", "v", "go"], ["dk", "dv"])}
${PROBABILITY}
fn kernel(group: u32, local: u32) {
  ${opening(layout)}
  ${read(layout, "k", "at", "k")}
  ${read(layout, "v", "at", "v")}
  ${zeros(layout, "dk")}
  ${zeros(layout, "dv")}
  let added = statistics[masks + row];
  for (var query = 0u; query < words.length; query++) {
    let other = first + query * words.width;
    let most = vec4f(statistics[maxima + query]);
    let inverse = vec4f(statistics[inverses + query]);
    let D = along[matrix * words.length + query];
    ${read(layout, "q", "other", "q")}
    ${read(layout, "go", "other", "g")}
    let sums = whole(${vec4([dot(layout, "q", "k"), dot(layout, "g", "v")])}, local);
    let p = probability(vec4f(sums.x * words.scale + added), most, inverse).x;
    let ds = p * (sums.y - D);
    ${times(layout.quads, (i) => `dv${i} += p * g${i}; dk${i} += ds * q${i};`)}
  }
  if (own >= words.length) { return; }
  ${write(layout, "dk", (i) => `dk${i} * words.scale`)}
  ${write(layout, "dv", (i) => `dv${i}`)}
}`

const programs = variants((key: string): AttentionPrograms => {
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
export const attentionByRows = (d: number): AttentionPrograms => programs(JSON.stringify(layoutOf(d)))
