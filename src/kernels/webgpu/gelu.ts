/**
 * GELU on the GPU, value and derivative from one exponential; equations and coefficients as in `../gelu.ts`.
 *
 * A fast exponential may make anything of what is not finite, and a compiler may assume that there is none: so |x| is
 * held below where a square overflows, which changes no result, and what becomes of NaN and ∞ is decided by the bits.
 */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import { read, write } from "../declaration.ts"
import { ELEMENTWISE_WORKGROUP, elementwise, runElementwise, type VectorType } from "./elementwise.ts"
import type { WebgpuEngine } from "./engine.ts"
import { program, variants } from "./program.ts"

const BOUND = "V(1e4)"

const FORMS = {
  erf: `let v = x[i];
  let a = min(abs(v), ${BOUND});
  let t = V(1.0) / (V(1.0) + 0.33 * a);
  var p = V(0.04674591650907277);
  p = p * t - V(0.22612278369951086);
  p = p * t + V(0.34178562625492426);
  p = p * t - V(0.09991348510142087);
  p = p * t + V(0.18698253108981827);
  p = p * t + V(0.11768921904795343);
  p = p * t + V(0.13283298533721913);
  let e = exp(-0.5 * a * a);
  let tail = p * t * e;
  let slope = tail - 0.3989422804014327 * e * a;
  let y = max(v, V(0.0)) - a * tail;
  let change = select(slope, V(1.0) - slope, v > V(0.0));
  let usable = finite(v);
  value[i] = select(V(notANumber()), y, usable);
  derivative[i] = select(V(notANumber()), change, usable);`,
  tanh: `let v = x[i];
  let c = clamp(v, -${BOUND}, ${BOUND});
  let square = c * c;
  let twoU = c * (square * 0.07135481627260025 + V(1.5957691216057308));
  let slope = square * 0.21406444881780076 + V(1.5957691216057308);
  let e = exp(-abs(twoU));
  let q = V(1.0) / (V(1.0) + e);
  let gate = select(q, e * q, twoU < V(0.0));
  let rest = select(e * q, q, twoU < V(0.0));
  let y = v * gate;
  let usable = finite(v);
  value[i] = select(select(V(notANumber()), v, infinite(v)), y, usable);
  derivative[i] = select(V(notANumber()), gate + rest * y * slope, usable);`
} as const

type Form = keyof typeof FORMS

const both = variants((key: `${Form} ${VectorType}`) => {
  const [form, type] = key.split(" ") as [Form, VectorType]
  return program({
    name: `Gelu ${form}`,
    buffers: { x: read(type), value: write(type), derivative: write(type) },
    words: { size: "u32" },
    workgroup: ELEMENTWISE_WORKGROUP,
    body: elementwise(type, FORMS[form])
  })
})

const product = variants((type: VectorType) =>
  program({
    name: "Gelu backward",
    buffers: { dy: read(type), derivative: read(type), dx: write(type) },
    words: { size: "u32" },
    workgroup: ELEMENTWISE_WORKGROUP,
    body: elementwise(type, "dx[i] = dy[i] * derivative[i];")
  })
)

/** Value and derivative, both of x's shape. */
export const geluOnWebgpu = (engine: WebgpuEngine, x: TensorInfo, form: Form): ReadonlyArray<TensorInfo> => {
  const [value, derivative] = [engine.output(x.shape), engine.output(x.shape)]
  runElementwise(engine, (type) => both(`${form} ${type}`), { x, value, derivative })
  return [value, derivative]
}

/** dx = dy∘y′ */
export const geluBackwardOnWebgpu = (engine: WebgpuEngine, dy: TensorInfo, derivative: TensorInfo): TensorInfo => {
  const dx = engine.output(dy.shape)
  runElementwise(engine, product, { dy, derivative, dx })
  return dx
}
