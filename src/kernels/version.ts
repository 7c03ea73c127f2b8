/** Which compiled kernels these are: the first digits of the SHA-256 of their checksums, written by `bun run kernels`. */
export const kernelsVersion = "77ba1c6f6737"
