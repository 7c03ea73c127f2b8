/** Attention for a GPU that is emulated on a CPU, by blocks of 4 × 4 scores (`head-blocks.ts`). */
import { type AttentionPrograms, declarations, LOWEST, PLACES, PROBABILITY, WHERE } from "./attention-statistics.ts"
import { columnReader, LANES, perRow, reader, type Side, scores, weighted, zeroed } from "./head-blocks.ts"
import { program } from "./program.ts"

/** Of queries and of keys. */
const SIDE: Side = { length: "words.length", width: "words.width" }

/** Four numbers of rows from `row` on; the last row's for rows that do not exist. */
const fourOf = (buffer: string, start: string, row: string): string =>
  `vec4f(${perRow((i) => `${buffer}[${start} + min(${row} + ${i}u, words.length - 1u)]`, ", ")})`

const OPENING = `${WHERE}
  let row = ((group % words.blocks) * ${LANES}u + local) * 4u;
  if (row >= words.length) { return; }
  let first = batch * words.length * words.width + head * words.d;
  let others = first;`

const own = declarations("f32")

const forward = program({
  ...own.forward,
  workgroup: LANES,
  body: `${["q", "k", "v"].map((name) => columnReader(name, SIDE)).join("\n")}
fn kernel(group: u32, local: u32) {
  ${OPENING}
  var most = vec4f(${LOWEST});
  var total = vec4f(0.0);
  var spoilt = vec4<bool>(false);
  ${zeroed("o", SIDE)}
  for (var other = 0u; other < words.length; other += 4u) {
    ${scores("s", "q", "k")}
    let exists = vec4u(other, other + 1u, other + 2u, other + 3u) < vec4u(words.length);
    let added = ${fourOf("mask", "batch * words.length", "other")};
    ${perRow(
      (i) => `s${i} = s${i} * words.scale + added;
    let bits${i} = bitcast<vec4u>(s${i});
    let finite${i} = ((bits${i} & vec4u(0x7f800000u)) != vec4u(0x7f800000u)) & exists;
    spoilt.${PLACES[i]} = spoilt.${PLACES[i]} || any(exists & !finite${i} & (bits${i} != vec4u(0xff800000u)));
    s${i} = select(vec4f(${LOWEST}), s${i}, finite${i});`
    )}
    let higher = max(most, vec4f(${perRow((i) => `max(max(s${i}.x, s${i}.y), max(s${i}.z, s${i}.w))`, ", ")}));
    let kept = exp(most - higher);
    most = higher;
    ${perRow((i) => `s${i} = select(vec4f(0.0), exp(s${i} - vec4f(most.${PLACES[i]})), finite${i});`)}
    total = total * kept + vec4f(${perRow((i) => `dot(s${i}, vec4f(1.0))`, ", ")});
    ${weighted("o", "s", "v", SIDE, (at, i) => `${at} * kept.${PLACES[i]}`)}
  }
  for (var i = 0u; i < 4u; i++) {
    let own = row + i;
    if (own >= words.length) { break; }
    var inverse = 1.0 / total[i];
    if (spoilt[i] || total[i] == 0.0) { inverse = notANumber(); }
    for (var column = 0u; column < words.d; column++) { o[first + own * words.width + column] *= inverse; }
    statistics[maxima + own] = most[i];
    statistics[inverses + own] = inverse;
    if (head == 0u) { statistics[masks + own] = mask[batch * words.length + own]; }
  }
}`
})

const queryGradient = program({
  ...own.queryGradient,
  workgroup: LANES,
  body: `${["q", "k", "v", "go"].map((name) => columnReader(name, SIDE)).join("\n")}
${reader("o", SIDE)}
${PROBABILITY}
fn kernel(group: u32, local: u32) {
  ${OPENING}
  var D = vec4f(0.0);
  for (var i = 0u; i < 4u; i++) {
    var sum = 0.0;
    for (var column = 0u; column < words.d; column++) {
      sum += go_at(first, row + i, column) * o_at(first, row + i, column);
    }
    D[i] = sum;
    if (row + i < words.length) { along[matrix * words.length + row + i] = sum; }
  }
  let most = ${fourOf("statistics", "maxima", "row")};
  let inverse = ${fourOf("statistics", "inverses", "row")};
  ${zeroed("dq", SIDE)}
  for (var other = 0u; other < words.length; other += 4u) {
    ${scores("s", "q", "k")}
    ${scores("dp", "go", "v")}
    let added = ${fourOf("statistics", "masks", "other")};
    ${perRow((i) => {
      const of = PLACES[i]
      return `s${i} = probability(s${i} * words.scale + added, vec4f(most.${of}), vec4f(inverse.${of}));
    s${i} = s${i} * (dp${i} - vec4f(D.${of})) * words.scale;`
    })}
    ${weighted("dq", "s", "k", SIDE)}
  }
}`
})

const keyGradient = program({
  ...own.keyGradient,
  workgroup: LANES,
  body: `${["q", "k", "v", "go"].map((name) => columnReader(name, SIDE)).join("\n")}
${PROBABILITY}
fn kernel(group: u32, local: u32) {
  ${OPENING}
  let added = ${fourOf("statistics", "masks", "row")};
  ${zeroed("dv", SIDE)}
  ${zeroed("dk", SIDE)}
  for (var other = 0u; other < words.length; other += 4u) {
    ${scores("p", "k", "q")}
    ${scores("ds", "v", "go")}
    let exists = vec4u(other, other + 1u, other + 2u, other + 3u) < vec4u(words.length);
    let most = ${fourOf("statistics", "maxima", "other")};
    let inverse = ${fourOf("statistics", "inverses", "other")};
    let D = ${fourOf("along", "matrix * words.length", "other")};
    ${perRow(
      (i) => `p${i} = probability(p${i} * words.scale + vec4f(added.${PLACES[i]}), most, inverse);
    // 0·∞ of a query that does not exist would be NaN
    ds${i} = select(vec4f(0.0), p${i} * (ds${i} - D) * words.scale, exists);`
    )}
    ${weighted("dv", "p", "go", SIDE)}
    ${weighted("dk", "ds", "q", SIDE)}
  }
}`
})

export const attentionByBlocks: AttentionPrograms = { forward, queryGradient, keyGradient, rows: 4 * LANES, unit: 1 }
