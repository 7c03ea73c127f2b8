/** Causal attention for a GPU that is emulated on a CPU, by blocks of 4 × 4 scores (`head-blocks.ts`). */
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
import { columnReader, LANES, perRow, type Side, scores, weighted, zeroed } from "./head-blocks.ts"
import { program } from "./program.ts"

const QUERIES: Side = { length: "words.queries", width: QUERY_WIDTH }
const KEYS: Side = { length: "words.keys", width: KEY_WIDTH }

const readers = (queries: ReadonlyArray<string>, keys: ReadonlyArray<string>): string =>
  [...queries.map((name) => columnReader(name, QUERIES)), ...keys.map((name) => columnReader(name, KEYS))].join("\n")

/** Segments of four rows from `row` on; −1, which attends nothing, of rows that do not exist. */
const segmentsOf = (row: string, { length }: Side, segment: (row: string) => string): string =>
  `vec4i(${perRow((i) => `select(-1, ${segment(`min(${row} + ${i}u, ${length} - 1u)`)}, ${row} + ${i}u < ${length})`, ", ")})`

const querySegmentsOf = (row: string) =>
  segmentsOf(row, QUERIES, (at) => `querySegments[batch * words.queries + ${at}]`)
const keySegmentsOf = (row: string) => segmentsOf(row, KEYS, (at) => `keySegments[batch * words.keys + ${at}]`)

/** Four numbers of queries from `row` on. */
const ofRows = (row: string, place: "x" | "y" | "z"): string =>
  `bitcast<vec4f>(vec4u(${perRow((i) => `rows[rowStart + min(${row} + ${i}u, words.queries - 1u)].${place}`, ", ")}))`

const places = (row: string): string => `vec4u(${row}, ${row} + 1u, ${row} + 2u, ${row} + 3u)`

const opening = ({ length }: Side, where: string): string => `${where}
  let row = ((group % words.blocks) * ${LANES}u + local) * 4u;
  if (row >= ${length}) { return; }
  let lastRow = min(row + 4u, ${length}) - 1u;`

const OPENING_OF_QUERIES = `${opening(QUERIES, OF_QUERIES)}
  let first = queryStart;
  let others = keyStart;`

/** Over fours of the keys that one of four queries may attend. */
const OVER_KEYS = `for (var other = ${firstKey("(row + shift)")}; other <= lastRow + shift; other += 4u)`

const SCORES = scoresOf("vec4f")
const own = declarations("f32")

const forward = program({
  ...own.forward,
  workgroup: LANES,
  body: `${readers(["q"], ["k", "v"])}
${SCORES}
fn kernel(group: u32, local: u32) {
  ${OPENING_OF_QUERIES}
  let segments = ${querySegmentsOf("row")};
  var most = vec4f(${LOWEST});
  var total = vec4f(0.0);
  var spoilt = vec4<bool>(false);
  var some = vec4<bool>(false);
  ${zeroed("o", QUERIES)}
  ${OVER_KEYS} {
    let keySegments4 = ${keySegmentsOf("other")};
    ${perRow((i) => `let attended${i} = attends(vec4u(row + ${i}u + shift), vec4i(segments.${PLACES[i]}), ${places("other")}, keySegments4);`)}
    if (!any(attended0 | attended1 | attended2 | attended3)) { continue; }
    ${scores("s", "q", "k")}
    ${perRow(
      (i) => `s${i} = capped(s${i} * words.scale);
    let counted${i} = attended${i} & usable(s${i});
    some.${PLACES[i]} = some.${PLACES[i]} || any(attended${i});
    spoilt.${PLACES[i]} = spoilt.${PLACES[i]} || any(attended${i} & spoils(s${i}));
    s${i} = select(vec4f(${LOWEST}), s${i}, counted${i});`
    )}
    let higher = max(most, vec4f(${perRow((i) => `max(max(s${i}.x, s${i}.y), max(s${i}.z, s${i}.w))`, ", ")}));
    let kept = exp(most - higher);
    most = higher;
    ${perRow((i) => `s${i} = select(vec4f(0.0), exp(s${i} - vec4f(most.${PLACES[i]})), counted${i});`)}
    total = total * kept + vec4f(${perRow((i) => `dot(s${i}, vec4f(1.0))`, ", ")});
    ${weighted("o", "s", "v", QUERIES, (at, i) => `${at} * kept.${PLACES[i]}`)}
  }
  for (var i = 0u; row + i <= lastRow; i++) {
    let inverse = ${inverseOf("total[i]", "spoilt[i]", "some[i]")};
    for (var column = 0u; column < words.d; column++) { o[first + (row + i) * ${QUERY_WIDTH} + column] *= inverse; }
    statistics[rowStart + row + i] = vec2f(most[i], inverse);
  }
}`
})

const queryGradient = program({
  ...own.queryGradient,
  workgroup: LANES,
  body: `${readers(["q", "go"], ["k", "v"])}
${SCORES}
fn kernel(group: u32, local: u32) {
  ${OPENING_OF_QUERIES}
  let segments = ${segmentsOf("row", QUERIES, (at) => `bitcast<i32>(rows[rowStart + ${at}].w)`)};
  let most = ${ofRows("row", "x")};
  let inverse = ${ofRows("row", "y")};
  let D = ${ofRows("row", "z")};
  ${zeroed("dq", QUERIES)}
  ${OVER_KEYS} {
    let keySegments4 = ${keySegmentsOf("other")};
    ${perRow((i) => `let attended${i} = attends(vec4u(row + ${i}u + shift), vec4i(segments.${PLACES[i]}), ${places("other")}, keySegments4);`)}
    if (!any(attended0 | attended1 | attended2 | attended3)) { continue; }
    ${scores("s", "q", "k")}
    ${scores("dp", "go", "v")}
    ${perRow((i) => {
      const of = PLACES[i]
      return `s${i} = capped(s${i} * words.scale);
    let p${i} = probability(s${i}, vec4f(most.${of}), vec4f(inverse.${of})) * slope(s${i});
    s${i} = select(vec4f(0.0), p${i} * (dp${i} - vec4f(D.${of})) * words.scale, attended${i});`
    })}
    ${weighted("dq", "s", "k", QUERIES)}
  }
}`
})

const keyGradient = program({
  ...own.keyGradient,
  workgroup: LANES,
  body: `${readers(["q", "go"], ["k", "v"])}
${SCORES}
fn kernel(group: u32, local: u32) {
  ${opening(KEYS, OF_KEYS)}
  let first = keyStart;
  let segments = ${keySegmentsOf("row")};
  ${zeroed("dv", KEYS)}
  ${zeroed("dk", KEYS)}
  for (var member = 0u; member < words.group; member++) {
    ${OF_MEMBER}
    let others = queryStart;
    for (var other = ${firstQuery("row")}; other < ${endOfQueries("lastRow")}; other += 4u) {
      let querySegments4 = ${segmentsOf("other", QUERIES, (at) => `bitcast<i32>(rows[rowStart + ${at}].w)`)};
      let t = ${places("other + shift")};
      ${perRow((i) => `let attended${i} = attends(t, querySegments4, vec4u(row + ${i}u), vec4i(segments.${PLACES[i]}));`)}
      if (!any(attended0 | attended1 | attended2 | attended3)) { continue; }
      ${scores("c", "k", "q")}
      ${scores("ds", "v", "go")}
      let most = ${ofRows("other", "x")};
      let inverse = ${ofRows("other", "y")};
      let D = ${ofRows("other", "z")};
      ${perRow(
        (i) => `c${i} = capped(c${i} * words.scale);
      let p${i} = select(vec4f(0.0), probability(c${i}, most, inverse), attended${i});
      ds${i} = select(vec4f(0.0), p${i} * slope(c${i}) * (ds${i} - D) * words.scale, attended${i});`
      )}
      ${weighted("dv", "p", "go", KEYS)}
      ${weighted("dk", "ds", "q", KEYS)}
    }
  }
}`
})

export const causalByBlocks: CausalPrograms = { forward, queryGradient, keyGradient, rows: 4 * LANES, unit: 1 }
