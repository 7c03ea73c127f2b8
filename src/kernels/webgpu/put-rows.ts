/** Rows written into a buffer of rows in place, on the GPU: as `src/kernels/put-rows.ts` says. */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import { read, write } from "../declaration.ts"
import { LANES, overVectors, type VectorType, vectorFor } from "./elementwise.ts"
import { groupsFor, type WebgpuEngine } from "./engine.ts"
import { program, variants } from "./program.ts"

const WORKGROUP = 64

const putRows = variants((type: VectorType) =>
  program({
    name: "PutRows",
    buffers: { fresh: read(type), into: write(type) },
    // size: vectors of fresh; count, places: vectors of a batch entry in fresh and in into; at: vectors before the first that is written
    words: { size: "u32", count: "u32", places: "u32", at: "u32" },
    workgroup: WORKGROUP,
    body: `${overVectors(type)}
fn kernel(group: u32, local: u32) {
  let i = group * ${WORKGROUP}u + local;
  if (i >= words.size) { return; }
  into[i / words.count * words.places + words.at + i % words.count] = fresh[i];
}`
  })
)

/** Writes rows into a tensor on WebGPU. */
export const putRowsOnWebgpu = (
  engine: WebgpuEngine,
  { into, fresh }: Readonly<Record<"into" | "fresh", TensorInfo>>,
  { batch, at }: { readonly batch: number; readonly at: number }
): void => {
  const width = into.shape[1]!
  const type = vectorFor(width)
  const row = width / LANES[type]
  const size = fresh.shape[0]! * row
  engine.run(
    putRows(type),
    { fresh, into },
    { size, count: size / batch, places: (into.shape[0]! / batch) * row, at: at * row },
    groupsFor(size, WORKGROUP)
  )
}
