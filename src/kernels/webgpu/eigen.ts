/**
 * Eigenvalues and eigenvectors of Gram matrices G [r, r] on the GPU, as `../c/jacobi.h` finds them in
 * float64: G = L·Lᵀ by Cholesky's method with pivots, then one-sided Jacobi on the columns of L. Float32 is enough for
 * the second part, since rounding L by 6e-8 of each column changes each eigenvalue by as little of itself; it is not
 * for G and the factorization, whose small pivots are what is left of large numbers. These are pairs of float32, a
 * number and what it lacks: some 47 bits (Dekker 1971).
 *
 *   G = L·Lᵀ     L·V = U·√Λ     T₀ = U·(Λ+δ)^-½     T = T₀·(I − C), with C from E = T₀ᵀ(G+δI)T₀ − I
 *
 * The last step takes back what float32 did to T₀. Its columns are wrong by some 1e-6 of themselves, and M·T₀ by
 * 1e-6·cond(M), since what the column of a small eigenvalue has of a large one's direction is enlarged. All of the
 * correction therefore goes into the column of the smaller eigenvalue, as in Gram and Schmidt's method. E is made from
 * Lᵀ·T₀, with L as pairs.
 */
import { read, write, writes } from "../declaration.ts"
import { program, variants } from "./program.ts"
import { recordsOf } from "./records.ts"

/**
 * Arithmetic on pairs of float32. `exactly` hides a value from the compiler, by an xor with a word that is 0: fast math, which drivers may use,
 * simplifies (a + b) − a to b. A product's error is computed from halves of 12 bits, whose products are exact whether or not they are fused with
 * a sum; `fma` would be shorter, but need not be fused. Requires a word `zero`.
 */
export const PAIRS = `
fn exactly(v: f32) -> f32 { return bitcast<f32>(bitcast<u32>(v) ^ words.zero); }
fn twoSum(a: f32, b: f32) -> vec2f {
  let s = exactly(a + b);
  let t = exactly(s - a);
  return vec2f(s, exactly(a - exactly(s - t)) + exactly(b - t));
}
fn normal(a: f32, b: f32) -> vec2f {
  let s = exactly(a + b);
  return vec2f(s, b - exactly(s - a));
}
fn upper(a: f32) -> f32 { return bitcast<f32>(bitcast<u32>(a) & 0xfffff000u); }
fn twoProduct(a: f32, b: f32) -> vec2f {
  let p = exactly(a * b);
  let ah = upper(a);
  let bh = upper(b);
  let al = a - ah;
  let bl = b - bh;
  return vec2f(p, exactly(exactly(exactly(ah * bh - p) + ah * bl) + al * bh) + al * bl);
}
fn plus(x: vec2f, y: vec2f) -> vec2f {
  let s = twoSum(x.x, y.x);
  return normal(s.x, s.y + (x.y + y.y));
}

/** sum + a·b, not normal: what is lacking may grow */
fn plusProduct(sum: vec2f, a: f32, b: f32) -> vec2f {
  let p = twoProduct(a, b);
  let s = twoSum(sum.x, p.x);
  return vec2f(s.x, sum.y + (s.y + p.y));
}
fn times(x: vec2f, y: vec2f) -> vec2f {
  let p = twoProduct(x.x, y.x);
  return normal(p.x, p.y + (x.x * y.y + x.y * y.x));
}
fn over(x: vec2f, y: vec2f) -> vec2f {
  let q = x.x / y.x;
  let p = twoProduct(q, y.x);
  return normal(q, (exactly(exactly(x.x - p.x) - p.y) + (x.y - q * y.y)) / y.x);
}
fn root(x: vec2f) -> vec2f {
  let q = sqrt(x.x);
  let p = twoProduct(q, q);
  return normal(q, (exactly(exactly(x.x - p.x) - p.y) + x.y) / (2.0 * q));
}
`

/**
 * Records of Gram matrices: the rank r; where G, the eigenvalues and the 3·r² values of scratch begin; where T·f and (T·g)ᵀ go in the whitening
 * arena, and the bits of f and g. Layout of M [r, n]: its start, and the steps between its rows and columns; tiles of `1 << SHIFT` rows and
 * columns, and their number in each direction.
 */
export const gramRecords = recordsOf([
  "R",
  "N",
  "FROM",
  "ROW",
  "COLUMN",
  "FIRST",
  "SHIFT",
  "TILES",
  "GRAM",
  "SPECTRUM",
  "SCRATCH",
  "STRAIGHT",
  "TRANSPOSED",
  "F",
  "G"
])

/** Ranks that the programs are made for: the greatest of a list decides. */
const CLASSES = [8, 16, 32, 64, 256] as const
/** Largest rank of a Gram matrix. */
export const MOST_RANK = 256
/** Ranks that one program covers, by the largest of them. */
export type RankClass = "8" | "16" | "32" | "64" | "256"

/** Returns the class of a rank. */
export const rankClassOf = (r: number): RankClass => String(CLASSES.find((most) => r <= most) ?? MOST_RANK) as RankClass

/** Returns the number of scratch values. */
export const eigenScratchOf = (r: number): number => 3 * r * r

/** Invocations that turn two columns together. A workgroup turns r/2 pairs of columns at a time. */
const TEAM = { "8": 8, "16": 8, "32": 8, "64": 4, "256": 2 } as const satisfies Record<RankClass, number>

/**
 * A pivot below r·2⁻⁴³ of its diagonal entry is round-off, the Gram's and the factorization's: float64 has r·2⁻⁵². A
 * direction of M whose length is below 1e-6 of the largest (r = 8; 3e-6 at r = 64) is then one that it does not have.
 * Gradients in float32 hold nothing of it but 6e-8 of the others, a tenth of its own.
 */
const ROUNDING = 2 ** -43

/** Cosine of two columns that counts as 0: what a sum of float32 products cannot tell from it. */
const ORTHOGONAL = 2 ** -23

/** Jacobi converges quadratically: 6 to 9 sweeps. */
const MOST_SWEEPS = 16

/**
 * Creates the programs for a class of ranks: one workgroup for each Gram matrix, which is overwritten. Up to rank 32 Jacobi's matrix is in
 * workgroup memory, above in scratch: [r, r] takes 16 KiB at r = 64, the minimum that devices guarantee.
 */
export const eigenPrograms = variants((key: RankClass) => {
  const most = Number(key)
  const team = TEAM[key]
  const teams = most / 2
  const W = team * teams
  // of a row of [r, r]; the others have other rows
  const LANES = Math.min(32, most)
  const inWorkgroup = most <= 32
  const at = (row: string, column: string) =>
    inWorkgroup ? `matrix[(${row}) * r + ${column}]` : `scratch[matrixAt + (${row}) * r + ${column}]`
  const barrier = "storageBarrier(); workgroupBarrier();"
  return program({
    name: `Whitening, eigenvectors of rank ${most}`,
    buffers: { table: read("u32"), grams: write("vec2f"), ...writes("f32", "scratch", "spectra", "whitenings") },
    words: { zero: "u32", damping: "f32" },
    workgroup: W,
    body: `${PAIRS}${gramRecords.wgsl}
var<workgroup> taken: array<u32, ${most}>;
var<workgroup> diagonal: array<f32, ${most}>;
var<workgroup> left: array<f32, ${most}>;
var<workgroup> column: array<vec2f, ${most}>;
var<workgroup> partial: array<vec4f, ${W}>;
var<workgroup> decision: i32;
${inWorkgroup ? `var<workgroup> matrix: array<f32, ${most * most}>;` : ""}

/** The row with the largest rest; −1 where all that is left is round-off. */
fn nextPivot(r: u32) -> i32 {
  var best = -1;
  var largest = 0.0;
  for (var i = 0u; i < r; i++) {
    let rest = left[i];
    if (taken[i] == 0u && rest > largest && rest > f32(r) * ${ROUNDING} * diagonal[i]) {
      largest = rest;
      best = i32(i);
    }
  }
  return best;
}

/** L by columns into the rows of G, each at its pivot's, and into Jacobi's matrix [r, rank]; answers the rank. */
fn factorize(gram: u32, r: u32, ${inWorkgroup ? "" : "matrixAt: u32, "}local: u32) -> u32 {
  for (var k = 0u; k < r; k++) {
    if (local == 0u) { decision = nextPivot(r); }
    let next = workgroupUniformLoad(&decision);
    if (next < 0) { return k; }
    let pivot = u32(next);
    let length = root(grams[gram + pivot * r + pivot]);
    for (var i = local; i < r; i += ${W}u) {
      var value = vec2f(0.0);
      if (i == pivot) { value = length; }
      if (i != pivot && taken[i] == 0u) { value = over(grams[gram + pivot * r + i], length); }
      column[i] = value;
      ${at("i", "k")} = value.x;
    }
    ${barrier}
    for (var i = local / ${LANES}u; i < r; i += ${W / LANES}u) {
      if (i != pivot && taken[i] != 0u) { continue; }
      let value = -column[i];
      for (var j = local % ${LANES}u; j < r; j += ${LANES}u) {
        let at = gram + i * r + j;
        if (i == pivot) {
          grams[at] = column[j];
        } else if (taken[j] == 0u && j != pivot) {
          let rest = plus(grams[at], times(value, column[j]));
          grams[at] = rest;
          if (i == j) { left[i] = rest.x; }
        }
      }
    }
    ${barrier}
    if (local == 0u) { taken[pivot] = 1u; }
    ${barrier}
  }
  return r;
}

/** Turns pairs of columns, all that have no column in common at a time, until all are orthogonal. */
fn orthogonalize(r: u32, rank: u32, ${inWorkgroup ? "" : "matrixAt: u32, "}local: u32) {
  let even = rank + (rank & 1u);
  let team = local % ${teams}u;
  let lane = local / ${teams}u;
  for (var sweep = 0u; sweep < ${MOST_SWEEPS}u; sweep++) {
    var turned = 0.0;
    for (var round = 0u; round + 1u < even; round++) {
      // as in a tournament: one stays, the others move on
      var a = 0u;
      if (team > 0u) { a = 1u + (team - 1u + round) % (even - 1u); }
      let b = 1u + (even - 2u - min(team, even - 2u) + round) % (even - 1u);
      let plays = 2u * team < even && a < rank && b < rank;
      var sums = vec4f(0.0);
      if (plays) {
        for (var i = lane; i < r; i += ${team}u) {
          let x = ${at("i", "a")};
          let y = ${at("i", "b")};
          sums += vec4f(x * x, y * y, x * y, 0.0);
        }
      }
      partial[local] = sums;
      workgroupBarrier();
      if (plays) {
        sums = vec4f(0.0);
        for (var l = 0u; l < ${team}u; l++) { sums += partial[l * ${teams}u + team]; }
        let together = sums.z;
        if (abs(together) > ${ORTHOGONAL} * sqrt(sums.x) * sqrt(sums.y)) {
          turned = 1.0;
          let tau = (sums.y - sums.x) / (2.0 * together);
          let size = abs(tau);
          // beyond 1e6 the root is τ itself, and τ² need not be finite
          var t = 1.0 / (size + sqrt(1.0 + min(size, 1e6) * min(size, 1e6)));
          if (size > 1e6) { t = 0.5 / size; }
          if (tau < 0.0) { t = -t; }
          let c = 1.0 / sqrt(1.0 + t * t);
          let s = t * c;
          // by how much each changes: c itself would be rounded, and all lengths with it
          let half = s / (1.0 + c);
          for (var i = lane; i < r; i += ${team}u) {
            let x = ${at("i", "a")};
            let y = ${at("i", "b")};
            ${at("i", "a")} = x - s * (y + half * x);
            ${at("i", "b")} = y + s * (x - half * y);
          }
        }
      }
      ${barrier}
    }
    partial[local].w = turned;
    workgroupBarrier();
    if (local == 0u) {
      decision = 0;
      for (var i = 0u; i < ${W}u; i++) { if (partial[i].w > 0.0) { decision = 1; } }
    }
    if (workgroupUniformLoad(&decision) == 0) { return; }
  }
}

fn kernel(group: u32, local: u32) {
  let record = group * RECORD;
  let r = table[record + R];
  let gram = table[record + GRAM];
  let spectrum = table[record + SPECTRUM];
  let overlaps = table[record + SCRATCH];
  let errors = overlaps + r * r;
  ${inWorkgroup ? "" : "let matrixAt = errors + r * r;"}
  if (local == 0u) {
    decision = 0;
    for (var i = 0u; i < r; i++) { if (!isFinite(grams[gram + i * (r + 1u)].x)) { decision = 1; } }
  }
  for (var i = local; i < r; i += ${W}u) {
    taken[i] = 0u;
    diagonal[i] = grams[gram + i * (r + 1u)].x;
    left[i] = diagonal[i];
  }
  if (workgroupUniformLoad(&decision) != 0) {
    for (var i = local; i < r; i += ${W}u) { spectra[spectrum + i] = notANumber(); }
    return;
  }
  let rank = factorize(gram, r, ${inWorkgroup ? "" : "matrixAt, "}local);
  orthogonalize(r, rank, ${inWorkgroup ? "" : "matrixAt, "}local);

  // T₀: a column is an eigenvector of the length √λ
  for (var j = local; j < r; j += ${W}u) {
    var value = 0.0;
    if (j < rank) {
      for (var i = 0u; i < r; i++) { let x = ${at("i", "j")}; value += x * x; }
      let factor = 1.0 / (sqrt(value) * sqrt(value + words.damping));
      for (var i = 0u; i < r; i++) { ${at("i", "j")} = ${at("i", "j")} * factor; }
    }
    left[j] = value;
    spectra[spectrum + j] = value;
  }
  ${barrier}
  // Lᵀ·T₀ [r, rank], its rows in the order of pivots
  for (var p = local / ${LANES}u; p < r; p += ${W / LANES}u) {
    for (var j = local % ${LANES}u; j < rank; j += ${LANES}u) {
      var sum = vec2f(0.0);
      if (taken[p] != 0u) {
        for (var i = 0u; i < r; i++) {
          let l = grams[gram + p * r + i];
          let t = ${at("i", "j")};
          sum = plusProduct(sum, l.x, t);
          sum.y += l.y * t;
        }
      }
      scratch[overlaps + p * r + j] = sum.x + sum.y;
    }
  }
  ${barrier}
  for (var i = local / ${LANES}u; i < rank; i += ${W / LANES}u) {
    for (var j = local % ${LANES}u; j < rank; j += ${LANES}u) {
      var inside = 0.0;
      var damped = 0.0;
      for (var k = 0u; k < r; k++) {
        inside += scratch[overlaps + k * r + i] * scratch[overlaps + k * r + j];
        damped += ${at("k", "i")} * ${at("k", "j")};
      }
      scratch[errors + i * r + j] = inside + words.damping * damped - select(0.0, 1.0, i == j);
    }
  }
  ${barrier}
  let straight = table[record + STRAIGHT];
  let transposed = table[record + TRANSPOSED];
  let f = bitcast<f32>(table[record + F]);
  let g = bitcast<f32>(table[record + G]);
  for (var i = local / ${LANES}u; i < r; i += ${W / LANES}u) {
    for (var j = local % ${LANES}u; j < r; j += ${LANES}u) {
      var value = 0.0;
      if (j < rank) {
        for (var k = 0u; k < rank; k++) {
          if (left[k] > left[j] || (left[k] == left[j] && k < j)) {
            value -= ${at("i", "k")} * scratch[errors + k * r + j];
          }
        }
        value += ${at("i", "j")} * (1.0 - 0.5 * scratch[errors + j * r + j]);
      }
      whitenings[straight + i * r + j] = value * f;
      whitenings[transposed + j * r + i] = value * g;
    }
  }
}`
  })
})
