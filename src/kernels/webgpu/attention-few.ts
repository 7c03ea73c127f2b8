/**
 * Attention of few queries, as a model that writes asks for: a workgroup for each of them. Its invocations share
 * the keys of a round for the scores, and then the columns of the output, and for each of these the keys again.
 */
import {
  biasOf,
  declarations,
  endOfKeys,
  type ForwardProgram,
  firstKey,
  inverseOf,
  KEY_WIDTH,
  LOWEST,
  OF_QUERIES,
  QUERY_WIDTH,
  scoresOf
} from "./attention-scores.ts"
import { LANES, type VectorType, vectorFor } from "./elementwise.ts"
import { program, variants } from "./program.ts"

/** Keys of a round. */
type Workgroup = 64 | 256

interface Layout {
  readonly biased: boolean
  readonly type: VectorType
  readonly workgroup: Workgroup
  /** invocations side by side, each with columns of its own: a power of two */
  readonly lanes: number
  /** columns of an invocation, in vectors */
  readonly columns: number
}

const forward = ({ biased, type, workgroup, lanes, columns }: Layout): string => `alias N = ${type};
${scoresOf("f32")}
var<workgroup> found: array<vec2f, ${workgroup}>;
var<workgroup> weights: array<f32, ${workgroup}>;
var<workgroup> sums: array<N, ${workgroup}>;
fn kernel(group: u32, local: u32) {
  ${OF_QUERIES}
  let query = group % words.blocks;
  let t = i32(query) + shift;
  let end = ${endOfKeys("query")};
  let segment = querySegments[batch * words.queries + query];
  let at = queryStart + query * ${QUERY_WIDTH};
  let lane = local % ${lanes}u;
  let part = local / ${lanes}u;
  var own: array<N, ${columns}>;
  var most = f32(${LOWEST});
  // of the own keys: Z, and how many are attended; −1 where there is no softmax
  var total = 0.0;
  var some = 0.0;
  var spoilt = false;
  for (var begin = ${firstKey("query")}; begin < end; begin += ${workgroup}u) {
    let key = begin + local;
    var c = f32(${LOWEST});
    let others = keySegments[batch * words.keys + min(key, words.keys - 1u)];
    let attended = key < end && attends(t, segment, i32(key), others);
    if (attended) {
      let other = keyStart + key * ${KEY_WIDTH};
      var sum = N(0.0);
      for (var column = 0u; column < words.d; column++) { sum += q[at + column] * k[other + column]; }
      c = capped(${type === "f32" ? "sum" : "dot(sum, vec4f(1.0))"} * words.scale${biasOf(biased, "query", "key")});
      some = 1.0;
      spoilt = spoilt || spoils(c);
    }
    let counted = attended && usable(c);
    found[local] = vec2f(select(${LOWEST}, c, counted), 0.0);
    for (var half = ${workgroup / 2}u; half > 0u; half >>= 1u) {
      workgroupBarrier();
      if (local < half) { found[local].x = max(found[local].x, found[local + half].x); }
    }
    workgroupBarrier();
    let higher = max(most, found[0].x);
    let kept = exp(most - higher);
    most = higher;
    let weight = select(0.0, exp(c - higher), counted);
    weights[local] = weight;
    total = total * kept + weight;
    workgroupBarrier();
    for (var i = 0u; i < ${columns}u; i++) {
      let column = lane + i * ${lanes}u;
      var sum = own[i] * kept;
      if (column < words.d) {
        for (var j = part; j < min(${workgroup}u, end - begin); j += ${workgroup / lanes}u) {
          sum += weights[j] * v[keyStart + (begin + j) * ${KEY_WIDTH} + column];
        }
      }
      own[i] = sum;
    }
    // before the next round writes what this one reads
    workgroupBarrier();
  }
  found[local] = vec2f(select(total, -1.0, spoilt), some);
  for (var half = ${workgroup / 2}u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (local < half) {
      let a = found[local];
      let b = found[local + half];
      found[local] = vec2f(select(a.x + b.x, -1.0, a.x < 0.0 || b.x < 0.0), max(a.y, b.y));
    }
  }
  workgroupBarrier();
  let inverse = ${inverseOf("found[0].x", "found[0].x < 0.0", "(found[0].y > 0.0)")};
  if (local == 0u) { statistics[rowStart + query] = vec2f(most, inverse); }
  for (var i = 0u; i < ${columns}u; i++) {
    workgroupBarrier();
    sums[local] = own[i];
    for (var half = ${workgroup / 2}u; half >= ${lanes}u; half >>= 1u) {
      workgroupBarrier();
      if (local < half) { sums[local] += sums[local + half]; }
    }
    let column = lane + i * ${lanes}u;
    if (part == 0u && column < words.d) { o[at + column] = sums[local] * inverse; }
  }
}`

const programs = variants((key: string): ForwardProgram => {
  const layout = JSON.parse(key) as Layout
  const { biased, type, workgroup } = layout
  const declaration = declarations(type, biased).forward
  return { forward: program({ ...declaration, workgroup, body: forward(layout) }), rows: 1, unit: LANES[type] }
})

/**
 * Returns the program for few queries, for heads of d columns. `software`: whether the GPU is emulated on a CPU, where idle invocations cost
 * time.
 */
export const attentionOfFew = (d: number, biased: boolean, software: boolean): ForwardProgram => {
  const type = vectorFor(d)
  const vectors = d / LANES[type]
  const workgroup: Workgroup = software ? 64 : 256
  const lanes = Math.min(workgroup, 2 ** Math.ceil(Math.log2(vectors)))
  return programs(
    JSON.stringify({ biased, type, workgroup, lanes, columns: Math.ceil(vectors / lanes) } satisfies Layout)
  )
}
