/**
 * SwiGLU on the GPU, forward and backward; equations as in `../swiglu.ts`.
 *
 * Of σ and 1 − σ the smaller is e·q, e = exp(−|gate|), q = 1/(1 + e), and the other q: no exponential overflows. What
 * is not finite is told by its bits, for a compiler may assume that there is none; the products carry it on.
 */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import { read, write } from "../declaration.ts"
import { ELEMENTWISE_WORKGROUP, elementwise, runElementwise, type VectorType } from "./elementwise.ts"
import type { WebgpuEngine } from "./engine.ts"
import { program, variants } from "./program.ts"

const forward = variants((type: VectorType) =>
  program({
    name: "Swiglu",
    buffers: { gate: read(type), up: read(type), y: write(type), silu: write(type), slope: write(type) },
    words: { size: "u32" },
    workgroup: ELEMENTWISE_WORKGROUP,
    body: elementwise(
      type,
      `let g = gate[i];
  let e = exp(-abs(g));
  let q = V(1.0) / (V(1.0) + e);
  let sigma = select(q, e * q, g < V(0.0));
  let rest = select(e * q, q, g < V(0.0));
  let usable = finite(g);
  let s = select(select(V(notANumber()), g, infinite(g)), g * sigma, usable);
  let change = select(V(notANumber()), sigma + s * rest, usable);
  y[i] = s * up[i];
  silu[i] = s;
  slope[i] = up[i] * change;`
    )
  })
)

const backward = variants((type: VectorType) =>
  program({
    name: "Swiglu backward",
    buffers: { dy: read(type), silu: read(type), slope: read(type), dgate: write(type), dup: write(type) },
    words: { size: "u32" },
    workgroup: ELEMENTWISE_WORKGROUP,
    body: elementwise(type, "dgate[i] = dy[i] * slope[i];\n  dup[i] = dy[i] * silu[i];")
  })
)

/** y, silu and slope, all of gate's shape. */
export const swigluOnWebgpu = (engine: WebgpuEngine, gate: TensorInfo, up: TensorInfo): ReadonlyArray<TensorInfo> => {
  const [y, silu, slope] = [engine.output(gate.shape), engine.output(gate.shape), engine.output(gate.shape)]
  runElementwise(engine, forward, { gate, up, y, silu, slope })
  return [y, silu, slope]
}

/** dgate and dup. */
export const swigluBackwardOnWebgpu = (
  engine: WebgpuEngine,
  dy: TensorInfo,
  silu: TensorInfo,
  slope: TensorInfo
): ReadonlyArray<TensorInfo> => {
  const [dgate, dup] = [engine.output(dy.shape), engine.output(dy.shape)]
  runElementwise(engine, backward, { dy, silu, slope, dgate, dup })
  return [dgate, dup]
}
