/**
 * A ~ U(−1/√in, 1/√in), B = 0: PyTorch's `kaiming_uniform_(a = √5)`, the start of Hu et al. 2021 and PEFT's default.
 *
 * With gain √(2/(1+a²)) = √(1/3), the bound is gain·√(3/in) = 1/√in.
 */
export const kaiming = (length: number, fanIn: number, random: () => number): Float32Array => {
  const bound = 1 / Math.sqrt(fanIn)
  return Float32Array.from({ length }, () => (2 * random() - 1) * bound)
}
