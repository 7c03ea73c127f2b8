/** RMS normalization on the GPU: a workgroup for each row (`../rms-norm.ts` has the equations). */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import { read, write } from "../declaration.ts"
import type { WebgpuEngine } from "./engine.ts"
import { program, variants } from "./program.ts"
import { COLUMN_WORKGROUP, columnGroups, columnSums, overRow, ROW_SUMS, ROW_WORKGROUP, sumOverRow } from "./row-sums.ts"

type Form = "alone" | "of a sum"

const forward = variants((form: Form) =>
  program<string, "n" | "epsilon">({
    name: form === "alone" ? "RmsNorm" : "RmsNorm of a sum",
    buffers: {
      x: read("f32"),
      ...(form === "alone" ? {} : { residual: read("f32") }),
      gamma: read("f32"),
      y: write("f32"),
      ...(form === "alone" ? {} : { sum: write("f32") }),
      r: write("f32")
    },
    words: { n: "u32", epsilon: "f32" },
    workgroup: ROW_WORKGROUP,
    body: `${ROW_SUMS}
fn kernel(group: u32, local: u32) {
  let start = group * words.n;
  ${sumOverRow(
    "squares",
    `let s = x[i]${form === "alone" ? "" : " + residual[i]"};
      ${form === "alone" ? "" : "sum[i] = s;"}`,
    "vec2f(s * s, 0.0)"
  )}
  let inverse = 1.0 / sqrt(rowSums(squares, local).x / f32(words.n) + words.epsilon);
  ${overRow(`y[i] = ${form === "alone" ? "x" : "sum"}[i] * inverse * gamma[column];`)}
  if (local == 0u) { r[group] = inverse; }
}`
  })
)

/** x, residual [rows, n], γ [n] → y [rows, n], the sum [rows, n] where there is a residual, r [rows, 1] */
export const rmsNormOnWebgpu = (
  engine: WebgpuEngine,
  { residual, ...reads }: Readonly<Record<"x" | "gamma", TensorInfo>> & { readonly residual?: TensorInfo },
  epsilon: number
): ReadonlyArray<TensorInfo> => {
  const [rows, n] = reads.x.shape as [number, number]
  const [y, r] = [engine.output([rows, n]), engine.output([rows, 1])]
  const sum = residual === undefined ? undefined : engine.output([rows, n])
  const buffers = { ...reads, ...(residual === undefined ? {} : { residual, sum: sum! }), y, r }
  engine.run(forward(residual === undefined ? "alone" : "of a sum"), buffers, { n, epsilon }, rows)
  return sum === undefined ? [y, r] : [y, sum, r]
}

const backward = variants((form: Form) =>
  program<string, "n">({
    name: form === "alone" ? "RmsNorm backward" : "RmsNorm of a sum backward",
    buffers: {
      dy: read("f32"),
      gamma: read("f32"),
      sum: read("f32"),
      r: read("f32"),
      ...(form === "alone" ? {} : { dsum: read("f32") }),
      ds: write("f32")
    },
    words: { n: "u32" },
    workgroup: ROW_WORKGROUP,
    body: `${ROW_SUMS}
fn kernel(group: u32, local: u32) {
  let start = group * words.n;
  let inverse = r[group];
  ${sumOverRow("along", "", "vec2f(dy[i] * gamma[column] * (sum[i] * inverse), 0.0)")}
  let mean = rowSums(along, local).x / f32(words.n);
  ${overRow(`ds[i] = (dy[i] * gamma[column] - sum[i] * inverse * mean) * inverse${form === "alone" ? "" : " + dsum[i]"};`)}
}`
  })
)

/** ds [rows, n]; plus the gradient of the sum where it went on */
export const rmsNormBackwardOnWebgpu = (
  engine: WebgpuEngine,
  { dsum, ...reads }: Readonly<Record<"dy" | "gamma" | "sum" | "r", TensorInfo>> & { readonly dsum?: TensorInfo }
): TensorInfo => {
  const [rows, n] = reads.dy.shape as [number, number]
  const ds = engine.output([rows, n])
  const buffers = { ...reads, ...(dsum === undefined ? {} : { dsum }), ds }
  engine.run(backward(dsum === undefined ? "alone" : "of a sum"), buffers, { n }, rows)
  return ds
}

const SCALE_GRADIENT = program({
  name: "RmsNorm scale gradient",
  buffers: { dy: read("f32"), sum: read("f32"), r: read("f32"), dgamma: write("f32") },
  words: { n: "u32", rows: "u32" },
  workgroup: COLUMN_WORKGROUP,
  body: columnSums("dy[i] * (sum[i] * r[row])", "dgamma")
})

/** Σ dy·s·r over the rows: [n] */
export const rmsNormScaleGradientOnWebgpu = (
  engine: WebgpuEngine,
  reads: Readonly<Record<"dy" | "sum" | "r", TensorInfo>>
): TensorInfo => {
  const [rows, n] = reads.dy.shape as [number, number]
  const dgamma = engine.output([n])
  engine.run(SCALE_GRADIENT, { ...reads, dgamma }, { n, rows }, columnGroups(n))
  return dgamma
}
