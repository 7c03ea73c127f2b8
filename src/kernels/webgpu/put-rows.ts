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
    // begin, size: vectors of fresh; count: of a group; places: from one group to the next in into; at: before the first that is written
    words: { begin: "u32", size: "u32", count: "u32", places: "u32", at: "u32" },
    workgroup: WORKGROUP,
    body: `${overVectors(type)}
fn kernel(group: u32, local: u32) {
  let i = group * ${WORKGROUP}u + local;
  if (i >= words.size) { return; }
  into[i / words.count * words.places + words.at + i % words.count] = fresh[words.begin + i];
}`
  })
)

/** Writes rows into a tensor on WebGPU. */
export const putRowsOnWebgpu = (
  engine: WebgpuEngine,
  { into, fresh }: Readonly<Record<"into" | "fresh", TensorInfo>>,
  { rows }: { readonly rows: ReadonlyArray<number> }
): void => {
  const width = into.shape[1]!
  const type = vectorFor(width)
  const row = width / LANES[type]
  const count = (fresh.shape[0]! / rows.length) * row
  // groups at equal distances are one program
  for (let first = 0, end = 1; first < rows.length; first = end++) {
    const distance = end < rows.length ? rows[end]! - rows[first]! : 0
    while (end < rows.length && distance > 0 && rows[end]! - rows[end - 1]! === distance) end++
    const size = (end - first) * count
    engine.run(
      putRows(type),
      { fresh, into },
      { begin: first * count, size, count, places: distance * row, at: rows[first]! * row },
      groupsFor(size, WORKGROUP)
    )
  }
}
