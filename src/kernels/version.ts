/** Version of the compiled kernels: the first digits of the SHA-256 of their checksums, written by `bun run kernels`. */
export const kernelsVersion = "c1c98eeccb57"
