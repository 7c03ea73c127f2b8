/**
 * Attention for a GPU that is emulated on a CPU. An invocation takes four rows of a head and four of the other side at a time: their 4 × 4
 * scores, column by column, and then each column of the output, to which it adds in place. There are half as many reads as multiplications,
 * for reads are what costs there, to run and to compile. The text has few of them, and is the same for every head. Fours without a key that
 * is attended are passed over.
 *
 * In a kernel, `row` is the first of an invocation's rows and `first` where row 0 of its head begins; `other` and `others` are the same of
 * the other side.
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

/** Invocations of a workgroup, as many as a CPU has lanes; four rows each. */
const LANES = 8
const ROWS = [0, 1, 2, 3] as const

const perRow = (text: (row: number) => string, between = "\n    "): string => ROWS.map(text).join(between)

/** Rows of a sequence, and numbers from one to the next, in WGSL. */
interface Side {
  readonly length: string
  readonly width: string
}

/** `fn x_at(first, row, column)`: a number of a head that begins at `first`; 0 of a row that does not exist. */
const reader = (name: string, { length, width }: Side): string =>
  `fn ${name}_at(first: u32, row: u32, column: u32) -> f32 {
  return select(0.0, ${name}[first + min(row, ${length} - 1u) * ${width} + column], row < ${length});
}`

/** `fn x_column(first, row, column)`: of four rows */
const columnReader = (name: string, side: Side): string =>
  `${reader(name, side)}
fn ${name}_column(first: u32, row: u32, column: u32) -> vec4f {
  return vec4f(${perRow((i) => `${name}_at(first, row + ${i}u, column)`, ", ")});
}`

/** `${name}0`, …: for each own row the products with rows `other`, … of the other side: S or dP */
const scores = (name: string, side: string, other: string): string =>
  `${perRow((i) => `var ${name}${i} = vec4f(0.0);`)}
    for (var column = 0u; column < words.d; column++) {
      let a = ${side}_column(first, row, column);
      let b = ${other}_column(others, other, column);
      ${perRow((i) => `${name}${i} += a.${PLACES[i]} * b;`)}
    }`

/** For own rows that exist: `line` of where a number is in the output. */
const overSide = ({ length, width }: Side, line: (at: string, row: number) => string, before = ""): string =>
  `for (var column = 0u; column < words.d; column++) {
      ${before}let at = first + row * ${width} + column;
      ${perRow((i) => `if (row + ${i}u < ${length}) { ${line(`at + ${i}u * ${width}`, i)} }`)}
    }`

const zeroed = (out: string, side: Side): string => overSide(side, (at) => `${out}[${at}] = 0.0;`)

/**
 * Adds to `out` in place: Σ of weights `${name}0`, … and rows `other`, … of the other side. `before`: what becomes of
 * what is there
 */
const weighted = (
  out: string,
  name: string,
  values: string,
  side: Side,
  before = (there: string, _: number) => there
): string =>
  overSide(
    side,
    (at, i) => `let to = ${at}; ${out}[to] = dot(${name}${i}, b) + ${before(`${out}[to]`, i)};`,
    `let b = ${values}_column(others, other, column);
      `
  )

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
const segmentsIn = (row: string, side: Side, start: string) =>
  segmentsOf(row, side, (at) => `bitcast<i32>(rows[${start} + ${at}].w)`)

/** Four numbers of queries from `row` on. */
const ofRows = (row: string, place: "x" | "y" | "z"): string =>
  `bitcast<vec4f>(vec4u(${perRow((i) => `rows[rowStart + min(${row} + ${i}u, words.queries - 1u)].${place}`, ", ")}))`

const places = (row: string): string => `(vec4i(i32(${row})) + vec4i(0, 1, 2, 3))`

/** What is added to the scores of a row, and four of the other side. */
const biases = (biased: boolean, of: (other: string) => string): string =>
  biased ? ` + vec4f(${perRow((j) => of(`${j}u`), ", ")})` : ""
/** Of query `row + i`, and of key `row + i`; what lies behind the last is that of the last. */
const biasesOfQuery = (biased: boolean, i: number) =>
  biases(biased, (j) => biasAt(`min(row + ${i}u, words.queries - 1u)`, `min(other + ${j}, words.keys - 1u)`))
const biasesOfKey = (biased: boolean, i: number) =>
  biases(biased, (j) => biasAt(`min(other + ${j}, words.queries - 1u)`, `min(row + ${i}u, words.keys - 1u)`))
const biasAt = (query: string, key: string) => biasOf(true, query, key).replace(" + ", "")

const opening = ({ length }: Side, where: string): string => `${where}
  let row = ((group % words.blocks) * ${LANES}u + local) * 4u;
  if (row >= ${length}) { return; }
  let lastRow = min(row + 4u, ${length}) - 1u;`

const OPENING_OF_QUERIES = `${opening(QUERIES, OF_QUERIES)}
  let first = queryStart;
  let others = keyStart;`

/** Over fours of the keys that one of four queries may attend. */
const OVER_KEYS = `let end = ${endOfKeys("lastRow")};
  for (var other = ${firstKey("row")}; other < end; other += 4u)`

const SCORES = scoresOf("vec4f")
const forward = (biased: boolean) =>
  program({
    ...declarations("f32", biased).forward,
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
    ${perRow((i) => `let attended${i} = attends(vec4i(i32(row + ${i}u) + shift), vec4i(segments.${PLACES[i]}), ${places("other")}, keySegments4);`)}
    if (!any(attended0 | attended1 | attended2 | attended3)) { continue; }
    ${scores("s", "q", "k")}
    ${perRow(
      (i) => `s${i} = capped(s${i} * words.scale${biasesOfQuery(biased, i)});
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

const queryGradient = (biased: boolean) =>
  program({
    ...declarations("f32", biased).queryGradient,
    workgroup: LANES,
    body: `${readers(["q", "go"], ["k", "v"])}
${SCORES}
fn kernel(group: u32, local: u32) {
  ${OPENING_OF_QUERIES}
  let segments = ${segmentsIn("row", QUERIES, "rowStart")};
  let most = ${ofRows("row", "x")};
  let inverse = ${ofRows("row", "y")};
  let D = ${ofRows("row", "z")};
  ${zeroed("dq", QUERIES)}
  ${OVER_KEYS} {
    let keySegments4 = ${keySegmentsOf("other")};
    ${perRow((i) => `let attended${i} = attends(vec4i(i32(row + ${i}u) + shift), vec4i(segments.${PLACES[i]}), ${places("other")}, keySegments4);`)}
    if (!any(attended0 | attended1 | attended2 | attended3)) { continue; }
    ${scores("s", "q", "k")}
    ${scores("dp", "go", "v")}
    ${perRow((i) => {
      const of = PLACES[i]
      return `s${i} = capped(s${i} * words.scale${biasesOfQuery(biased, i)});
    let p${i} = probability(s${i}, vec4f(most.${of}), vec4f(inverse.${of})) * slope(s${i});
    s${i} = select(vec4f(0.0), p${i} * (dp${i} - vec4f(D.${of})) * words.scale, attended${i});`
    })}
    ${weighted("dq", "s", "k", QUERIES)}
  }
}`
  })

const keyGradient = (biased: boolean) =>
  program({
    ...declarations("f32", biased).keyGradient,
    workgroup: LANES,
    body: `${readers(["q", "go"], ["k", "v"])}
${SCORES}
fn kernel(group: u32, local: u32) {
  ${opening(KEYS, OF_KEYS)}
  let first = keyStart;
  let segments = ${segmentsIn("row", KEYS, "segmentStart")};
  ${zeroed("dv", KEYS)}
  ${zeroed("dk", KEYS)}
  for (var member = 0u; member < words.group; member++) {
    ${OF_MEMBER}
    let others = queryStart;
    for (var other = ${firstQuery("row")}; other < ${endOfQueries("lastRow")}; other += 4u) {
      let querySegments4 = ${segmentsIn("other", QUERIES, "rowStart")};
      let t = ${places("other")} + vec4i(shift);
      ${perRow((i) => `let attended${i} = attends(t, querySegments4, vec4i(i32(row + ${i}u)), vec4i(segments.${PLACES[i]}));`)}
      if (!any(attended0 | attended1 | attended2 | attended3)) { continue; }
      ${scores("c", "k", "q")}
      ${scores("ds", "v", "go")}
      let most = ${ofRows("other", "x")};
      let inverse = ${ofRows("other", "y")};
      let D = ${ofRows("other", "z")};
      ${perRow(
        (i) => `c${i} = capped(c${i} * words.scale${biasesOfKey(biased, i)});
      let p${i} = select(vec4f(0.0), probability(c${i}, most, inverse), attended${i});
      ds${i} = select(vec4f(0.0), p${i} * slope(c${i}) * (ds${i} - D) * words.scale, attended${i});`
      )}
      ${weighted("dv", "p", "go", KEYS)}
      ${weighted("dk", "ds", "q", KEYS)}
    }
  }
}`
  })

const programs = variants((key: "biased" | "plain"): AttentionPrograms => {
  const biased = key === "biased"
  const [rows, unit] = [4 * LANES, 1] as const
  return {
    forward: forward(biased),
    queryGradient: queryGradient(biased),
    keyGradient: keyGradient(biased),
    rows,
    unit
  }
})

/** Returns the programs for blocks of queries and keys, with or without a bias of the scores. */
export const attentionByBlocks = (biased: boolean): AttentionPrograms => programs(biased ? "biased" : "plain")
