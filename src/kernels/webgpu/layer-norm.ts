/** Layer normalization on the GPU: a workgroup for each row (`../layer-norm.ts` has the equations). */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import { read, write } from "../declaration.ts"
import type { WebgpuEngine } from "./engine.ts"
import { program, variants } from "./program.ts"
import { COLUMN_WORKGROUP, columnGroups, columnSums, overRow, ROW_SUMS, ROW_WORKGROUP, sumOverRow } from "./row-sums.ts"

type Form = "alone" | "of a sum"

const forward = variants((form: Form) =>
  program<string, "n" | "epsilon">({
    name: form === "alone" ? "LayerNorm" : "LayerNorm of a sum",
    buffers: {
      x: read("f32"),
      ...(form === "alone" ? {} : { residual: read("f32") }),
      gamma: read("f32"),
      beta: read("f32"),
      y: write("f32"),
      normalized: write("f32"),
      r: write("f32")
    },
    words: { n: "u32", epsilon: "f32" },
    workgroup: ROW_WORKGROUP,
    body: `${ROW_SUMS}
fn kernel(group: u32, local: u32) {
  let start = group * words.n;
  let count = f32(words.n);
  // each invocation has its own places of \`normalized\`, for what it will need again
  ${sumOverRow(
    "sum",
    `let s = x[i]${form === "alone" ? "" : " + residual[i]"};
      normalized[i] = s;`,
    "vec2f(s, 0.0)"
  )}
  let mean = rowSums(sum, local).x / count;
  ${sumOverRow("squares", "let centred = normalized[i] - mean;", "vec2f(centred * centred, 0.0)")}
  let inverse = 1.0 / sqrt(rowSums(squares, local).x / count + words.epsilon);
  ${overRow(`let own = (normalized[i] - mean) * inverse;
    normalized[i] = own;
    y[i] = own * gamma[column] + beta[column];`)}
  if (local == 0u) { r[group] = inverse; }
}`
  })
)

/** x, residual [rows, n], γ, β [n] → y and x̂ [rows, n], r [rows, 1] */
export const layerNormOnWebgpu = (
  engine: WebgpuEngine,
  { residual, ...reads }: Readonly<Record<"x" | "gamma" | "beta", TensorInfo>> & { readonly residual?: TensorInfo },
  epsilon: number
): ReadonlyArray<TensorInfo> => {
  const [rows, n] = reads.x.shape as [number, number]
  const [y, normalized, r] = [engine.output([rows, n]), engine.output([rows, n]), engine.output([rows, 1])]
  const buffers = { ...reads, ...(residual === undefined ? {} : { residual }), y, normalized, r }
  engine.run(forward(residual === undefined ? "alone" : "of a sum"), buffers, { n, epsilon }, rows)
  return [y, normalized, r]
}

const BACKWARD = program({
  name: "LayerNorm backward",
  buffers: { dy: read("f32"), gamma: read("f32"), normalized: read("f32"), r: read("f32"), dx: write("f32") },
  words: { n: "u32" },
  workgroup: ROW_WORKGROUP,
  body: `${ROW_SUMS}
fn kernel(group: u32, local: u32) {
  let start = group * words.n;
  ${sumOverRow("sums", "let scaled = dy[i] * gamma[column];", "vec2f(scaled, scaled * normalized[i])")}
  let means = rowSums(sums, local) / f32(words.n);
  let inverse = r[group];
  ${overRow("dx[i] = (dy[i] * gamma[column] - normalized[i] * means.y - means.x) * inverse;")}
}`
})

/** dx [rows, n] */
export const layerNormBackwardOnWebgpu = (
  engine: WebgpuEngine,
  reads: Readonly<Record<"dy" | "gamma" | "normalized" | "r", TensorInfo>>
): TensorInfo => {
  const [rows, n] = reads.dy.shape as [number, number]
  const dx = engine.output([rows, n])
  engine.run(BACKWARD, { ...reads, dx }, { n }, rows)
  return dx
}

const SCALE_GRADIENT = program({
  name: "LayerNorm scale gradient",
  buffers: { dy: read("f32"), normalized: read("f32"), dgamma: write("f32") },
  words: { n: "u32", rows: "u32" },
  workgroup: COLUMN_WORKGROUP,
  body: columnSums("dy[i] * normalized[i]", "dgamma")
})

/** Σ dy·x̂ over the rows: [n] */
export const layerNormScaleGradientOnWebgpu = (
  engine: WebgpuEngine,
  reads: Readonly<Record<"dy" | "normalized", TensorInfo>>
): TensorInfo => {
  const [rows, n] = reads.dy.shape as [number, number]
  const dgamma = engine.output([n])
  engine.run(SCALE_GRADIENT, { ...reads, dgamma }, { n, rows }, columnGroups(n))
  return dgamma
}
