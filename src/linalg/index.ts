/** Linear algebra on the host, in float64: products, QR and eigendecompositions, and truncated singular value decompositions. */
export { solvedRows } from "./cholesky.ts"
export { times, timesTransposed, transposed } from "./dense-products.ts"
export { dot, householderQr, qrOfColumns, type ThinQr, thinQr } from "./qr.ts"
export { symmetricEigen } from "./symmetric-eigen.ts"
export { NotFiniteMatrix, type TruncatedSvd, truncatedSvd } from "./truncated-svd.ts"
