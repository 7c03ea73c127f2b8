/**
 * Attention on the GPU without a matrix of probabilities: memory grows with the length, not with its square.
 *
 *   forward    m_i = max_j S_ij        Z_i = Σ_j e^(S_ij − m_i)        O_i = Σ_j e^(S_ij − m_i) V_j / Z_i
 *   backward   P_ij = e^(S_ij − m_i)/Z_i once more        D_i = dO_i·O_i = Σ_j P_ij dP_ij        dS = P∘(dP − D)
 *              one program for dQ, over the keys; one for dK and dV, over the queries. No sum has two writers.
 *
 * The forward pass goes over the keys once: what was summed under a smaller maximum is scaled when a larger one comes.
 * Saved are m and 1/Z of each row, not their log-sum-exp: of a sequence of padding alone m is −10⁹, and beside it float32 has no
 * place for log Z.
 *
 * An invocation holds its row (a query; a key in dK and dV) in registers and walks over the other side, whose rows all invocations of a
 * workgroup read at the same time: one address, which a GPU reads once. So there is no tile in workgroup memory to fill and to wait for,
 * and q, k and v are read where they are, heads side by side. A row of more than 32 columns is split among invocations, which add up
 * their parts of a score. On a GPU that is emulated on a CPU registers are memory, and it is reads that cost: there an invocation
 * holds whole rows, and several.
 *
 * Where S is not finite, by the softmax of the reference: −∞ counts for nothing; a row of −∞ alone, or with NaN or ∞, is NaN.
 *
 * @see arXiv 2205.14135 (FlashAttention), arXiv 2307.08691
 */
import type { TensorInfo } from "@tensorflow/tfjs"
import { groupsFor, type WebgpuEngine } from "./engine.ts"
import { program, variants } from "./program.ts"

/** How the rows of a head lie over a workgroup: the key of a program's variant. */
interface Layout {
  /** invocations that a row is split among */
  readonly parts: number
  /** vec4 of a row that one invocation holds */
  readonly quads: number
  /** of as many rows */
  readonly rows: number
  /** invocations side by side, each with rows of its own */
  readonly lanes: number
  /** Do the parts fill their vec4? They are then read as such. */
  readonly full: boolean
}

/** dK and dV hold four rows of this many vec4: half of the registers that an invocation may have. */
const MOST_QUADS = 8
const MOST_INVOCATIONS = 256

const layoutOf = (d: number, software: boolean): Layout => {
  const quads = Math.ceil(d / 4)
  if (software) {
    const rows = Math.max(1, Math.min(4, Math.floor(32 / quads)))
    return { parts: 1, quads, rows, lanes: 8, full: d % 4 === 0 }
  }
  const parts = Math.ceil(quads / MOST_QUADS)
  let lanes = 64
  while (lanes * parts > MOST_INVOCATIONS) lanes /= 2
  return { parts, quads: Math.ceil(quads / parts), rows: 1, lanes, full: d % (4 * parts) === 0 }
}

type Element = "vec4f" | "f32"

/** Variants of a program, one for each layout. */
const perLayout = <P>(make: (layout: Layout, element: Element, workgroup: number) => P): ((layout: Layout) => P) => {
  const known = variants((key: string) => {
    const layout = JSON.parse(key) as Layout
    return make(layout, layout.full ? "vec4f" : "f32", layout.lanes * layout.parts)
  })
  return (layout) => known(JSON.stringify(layout))
}

const PLACES = ["x", "y", "z", "w"] as const
/** What stands for −∞ as the maximum of nothing. */
const LOWEST = "-3.4028234e38"

const times = (n: number, text: (i: number) => string, between = "\n    "): string =>
  Array.from({ length: n }, (_, i) => text(i)).join(between)

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
  ${PLACES.map((of, i) => `if (4u * quad + ${i}u < left) { ${name}[at + 4u * quad + ${i}u] = values.${of}; }`).join("\n  ")}
}`

/** A row as variables `as0`, `as1`, … */
const read = ({ quads }: Layout, name: string, at: string, as: string): string =>
  times(quads, (i) => `let ${as}${i} = read_${name}(${at}, ${i}u, left);`)

/** An invocation's own rows, as `as0_0`, … */
const readOwn = (layout: Layout, name: string, as: string): string =>
  times(layout.rows, (r) => read(layout, name, `at${r}`, `${as}${r}_`))

const zeros = ({ rows, quads }: Layout, name: string): string =>
  times(rows, (r) => times(quads, (i) => `var ${name}${r}_${i} = vec4f(0.0);`))

/** Writes own rows, as far as they exist. */
const writeOwn = ({ rows, quads }: Layout, name: string, value: (row: number, quad: number) => string): string =>
  times(
    rows,
    (r) => `if (own${r} < words.length) {
    ${times(quads, (i) => `write_${name}(at${r}, ${i}u, left, ${value(r, i)});`)}
  }`
  )

/**
 * What all programs begin with. `first` is where this part of row 0 of the head begins in q, k and v, `at0`, … that of the own rows;
 * `own0` is the number of a row, or what would be its number, and `row0` that of one that exists.
 */
const opening = ({ parts, quads, rows, lanes, full }: Layout): string => {
  const columns = full ? quads : 4 * quads
  return `let matrix = group / words.blocks;
  let batch = matrix / words.heads;
  let head = matrix % words.heads;
  let part = local / ${lanes}u;
  let left = words.d - min(words.d, part * ${columns}u);
  let first = batch * words.length * words.width + head * words.d + part * ${columns}u;
  let own0 = (group % words.blocks) * ${rows * lanes}u + local % ${lanes}u;
  ${parts > 1 ? "// who has no row must come to the barriers all the same" : "if (own0 >= words.length) { return; }"}
  ${times(rows - 1, (r) => `let own${r + 1} = own${r} + ${lanes}u;`)}
  ${times(rows, (r) => `let row${r} = min(own${r}, words.length - 1u); let at${r} = first + row${r} * words.width;`)}
  let maxima = (batch * (2u * words.heads + 1u) + 2u * head) * words.length;
  let inverses = maxima + words.length;
  let masks = (batch * (2u * words.heads + 1u) + 2u * words.heads) * words.length;`
}

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

/** blocks: workgroups of a head. width, of q, and d, of a head: in elements of the buffers. */
const WORDS = { length: "u32", heads: "u32", blocks: "u32", width: "u32", d: "u32", scale: "f32" } as const

/** As many keys at a time as a vec4 has places, with one maximum for all of them. */
const KEYS = 4

/** The next `count` keys of a forward pass. */
const attend = (layout: Layout, count: number): string => {
  const { rows, quads } = layout
  const keys = PLACES.slice(0, count).map((place, j) => ({ place, j }))
  const exists = `vec4<bool>(${PLACES.map((_, j) => j < count).join(", ")})`
  return `let added = ${vec4(keys.map(({ j }) => `mask[batch * words.length + key + ${j}u]`))};
    ${keys.map(({ j }) => `let from${j} = first + (key + ${j}u) * words.width;\n    ${read(layout, "k", `from${j}`, `k${j}_`)}`).join("\n    ")}
    ${times(
      rows,
      (
        r
      ) => `let s${r} = whole(${vec4(keys.map(({ j }) => dot(layout, `q${r}_`, `k${j}_`)))}, local) * words.scale + added;
    let bits${r} = bitcast<vec4u>(s${r});
    let finite${r} = ((bits${r} & vec4u(0x7f800000u)) != vec4u(0x7f800000u)) & ${exists};
    spoilt${r} = spoilt${r} || any(!finite${r} & (bits${r} != vec4u(0xff800000u)) & ${exists});
    let counted${r} = select(vec4f(${LOWEST}), s${r}, finite${r});
    let higher${r} = max(most${r}, max(max(counted${r}.x, counted${r}.y), max(counted${r}.z, counted${r}.w)));
    let p${r} = select(vec4f(0.0), exp(counted${r} - vec4f(higher${r})), finite${r});
    let kept${r} = exp(most${r} - higher${r});
    most${r} = higher${r};
    total${r} = total${r} * kept${r} + dot(p${r}, vec4f(1.0));`
    )}
    ${keys.map(({ j }) => read(layout, "v", `from${j}`, `v${j}_`)).join("\n    ")}
    ${times(rows, (r) =>
      times(
        quads,
        (i) =>
          `o${r}_${i} = o${r}_${i} * kept${r} + ${keys.map(({ place, j }) => `p${r}.${place} * v${j}_${i}`).join(" + ")};`
      )
    )}`
}

const forward = perLayout((layout, element, workgroup) => {
  const { rows } = layout
  return program({
    name: "Attention",
    reads: { q: element, k: element, v: element, mask: "f32" },
    writes: { o: element, statistics: "f32" },
    words: WORDS,
    workgroup,
    body: `${["q", "k", "v"].map((name) => reader(layout, name)).join("\n")}
${writer(layout, "o")}
${whole(layout)}
fn kernel(group: u32, local: u32) {
  ${opening(layout)}
  ${readOwn(layout, "q", "q")}
  ${zeros(layout, "o")}
  ${times(rows, (r) => `var most${r} = f32(${LOWEST}); var total${r} = 0.0; var spoilt${r} = false;`)}
  var key = 0u;
  for (; key + ${KEYS - 1}u < words.length; key += ${KEYS}u) {
    ${attend(layout, KEYS)}
  }
  for (; key < words.length; key++) {
    ${attend(layout, 1)}
  }
  ${times(
    rows,
    (r) => `var inverse${r} = 1.0 / total${r};
  if (spoilt${r} || total${r} == 0.0) { inverse${r} = notANumber(); }`
  )}
  ${writeOwn(layout, "o", (r, i) => `o${r}_${i} * inverse${r}`)}
  if (part != 0u) { return; }
  ${times(
    rows,
    (r) => `if (own${r} < words.length) {
    statistics[maxima + own${r}] = most${r};
    statistics[inverses + own${r}] = inverse${r};
    if (head == 0u) { statistics[masks + own${r}] = mask[batch * words.length + own${r}]; }
  }`
  )}
}`
  })
})

/** P of a score: no more than in the forward pass. A score's rounding is 64 beside −10⁹, and e⁶⁴ would be the gradient. */
const PROBABILITY = `fn probability(score: f32, most: f32, inverse: f32) -> f32 {
  return exp(min(score - most, 0.0)) * inverse;
}`

const queryGradient = perLayout((layout, element, workgroup) => {
  const { rows, quads } = layout
  return program({
    name: "AttentionGradient q",
    reads: { q: element, k: element, v: element, o: element, go: element, statistics: "f32" },
    writes: { dq: element, along: "f32" },
    words: WORDS,
    workgroup,
    body: `${["q", "k", "v", "o", "go"].map((name) => reader(layout, name)).join("\n")}
${writer(layout, "dq")}
${whole(layout)}
${PROBABILITY}
fn kernel(group: u32, local: u32) {
  ${opening(layout)}
  ${readOwn(layout, "q", "q")}
  ${readOwn(layout, "go", "g")}
  ${readOwn(layout, "o", "o")}
  ${zeros(layout, "dq")}
  ${times(
    rows,
    (r) => `let D${r} = whole(${vec4([dot(layout, `g${r}_`, `o${r}_`)])}, local).x;
  if (part == 0u && own${r} < words.length) { along[matrix * words.length + own${r}] = D${r}; }
  let most${r} = statistics[maxima + row${r}];
  let inverse${r} = statistics[inverses + row${r}];`
  )}
  for (var key = 0u; key < words.length; key++) {
    let other = first + key * words.width;
    let added = statistics[masks + key];
    ${read(layout, "k", "other", "k")}
    ${read(layout, "v", "other", "v")}
    ${times(
      rows,
      (r) => `let s${r} = whole(${vec4([dot(layout, `q${r}_`, "k"), dot(layout, `g${r}_`, "v")])}, local);
    let ds${r} = probability(s${r}.x * words.scale + added, most${r}, inverse${r}) * (s${r}.y - D${r});
    ${times(quads, (i) => `dq${r}_${i} += ds${r} * k${i};`)}`
    )}
  }
  ${writeOwn(layout, "dq", (r, i) => `dq${r}_${i} * words.scale`)}
}`
  })
})

const keyGradient = perLayout((layout, element, workgroup) => {
  const { rows, quads } = layout
  return program({
    name: "AttentionGradient k v",
    reads: { q: element, k: element, v: element, go: element, statistics: "f32", along: "f32" },
    writes: { dk: element, dv: element },
    words: WORDS,
    workgroup,
    body: `${["q", "k", "v", "go"].map((name) => reader(layout, name)).join("\n")}
${["dk", "dv"].map((name) => writer(layout, name)).join("\n")}
${whole(layout)}
${PROBABILITY}
fn kernel(group: u32, local: u32) {
  ${opening(layout)}
  ${readOwn(layout, "k", "k")}
  ${readOwn(layout, "v", "v")}
  ${zeros(layout, "dk")}
  ${zeros(layout, "dv")}
  ${times(rows, (r) => `let added${r} = statistics[masks + row${r}];`)}
  for (var query = 0u; query < words.length; query++) {
    let other = first + query * words.width;
    let most = statistics[maxima + query];
    let inverse = statistics[inverses + query];
    let D = along[matrix * words.length + query];
    ${read(layout, "q", "other", "q")}
    ${read(layout, "go", "other", "g")}
    ${times(
      rows,
      (r) => `let s${r} = whole(${vec4([dot(layout, "q", `k${r}_`), dot(layout, "g", `v${r}_`)])}, local);
    let p${r} = probability(s${r}.x * words.scale + added${r}, most, inverse);
    let ds${r} = p${r} * (s${r}.y - D);
    ${times(quads, (i) => `dv${r}_${i} += p${r} * g${i}; dk${r}_${i} += ds${r} * q${i};`)}`
    )}
  }
  ${writeOwn(layout, "dk", (r, i) => `dk${r}_${i} * words.scale`)}
  ${writeOwn(layout, "dv", (r, i) => `dv${r}_${i}`)}
}`
  })
})

/** The layout for q of this shape, and the words and groups of all three programs. */
const dispatchOf = (q: TensorInfo, batch: number, heads: number, software: boolean) => {
  const [tokens, width] = q.shape as [number, number]
  const [length, d] = [tokens / batch, width / heads]
  const layout = layoutOf(d, software)
  const unit = layout.full ? 4 : 1
  const blocks = groupsFor(length, layout.rows * layout.lanes)
  const words = { length, heads, blocks, width: width / unit, d: d / unit, scale: 1 / Math.sqrt(d) }
  return { layout, words, groups: batch * heads * blocks }
}

type Named<Name extends string> = Readonly<Record<Name, TensorInfo>>

/**
 * O [tokens, width], and what the backward pass needs of the rows: [batch, 2·heads + 1, length], for each head m and 1/Z, and last the
 * mask.
 */
export const attentionOnWebgpu = (
  engine: WebgpuEngine,
  { q, k, v, mask }: Named<"q" | "k" | "v" | "mask">,
  batch: number,
  heads: number
): readonly [O: TensorInfo, statistics: TensorInfo] => {
  const { layout, words, groups } = dispatchOf(q, batch, heads, engine.software)
  const o = engine.output(q.shape)
  const statistics = engine.output([batch, 2 * heads + 1, words.length])
  engine.run(forward(layout), { buffers: { q, k, v, mask, o, statistics }, words, groups })
  return [o, statistics]
}

/** dq, dk, dv */
export const attentionGradientOnWebgpu = (
  engine: WebgpuEngine,
  { q, k, v, O: o, dO: go, statistics }: Named<"q" | "k" | "v" | "O" | "dO" | "statistics">,
  heads: number
): ReadonlyArray<TensorInfo> => {
  const batch = statistics.shape[0]!
  const { layout, words, groups } = dispatchOf(q, batch, heads, engine.software)
  const [dq, dk, dv] = [engine.output(q.shape), engine.output(q.shape), engine.output(q.shape)]
  const along = engine.scratch(batch * heads * words.length)
  const inputs = { q, k, v, go, statistics }
  engine.run(queryGradient(layout), { buffers: { ...inputs, o, dq, along }, words, groups })
  engine.run(keyGradient(layout), { buffers: { ...inputs, along, dk, dv }, words, groups })
  engine.release(along)
  return [dq, dk, dv]
}
