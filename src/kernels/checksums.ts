/** SHA-256 of each compiled file of this package, written by `bun run kernels`. */
export const checksums: Readonly<Record<string, string>> = {
  "kernels-darwin-arm64.dylib": "92310be2bb37af24e7817708d6376b2bb0ebf7910fb3a7ebcbe70806d14ae4ce",
  "kernels-darwin-x64.dylib": "0dab9d1defb8d9aa83889aa33714c6d1bee173947458f466a9bb203823d12534",
  "kernels-linux-arm64.so": "8b1793d292b8ebc3eca00c07c57e8eae5445a6ff722ae2a42f26da1585f9384c",
  "kernels-linux-x64.so": "a71c7589767342894171f9c0ee90c9742388a9ea51a40054982d33240cc291a2",
  "kernels-win32-x64.dll": "cd7d407394e1cb28c60568cd853225ae13a6f665861f6142e21b2e1a3b24ee41",
  "kernels-fused-shared.wasm": "bb584ff252dec875a0453919200a862e21081f7ffab977ff3e0e9cd6f5876726",
  "kernels-fused.wasm": "fb79bf9c6aaa6eff9c21bd7b66013483eed59c2f7adfba98e4077fae4748c923",
  "kernels-shared.wasm": "d84fcb921cd0c4e6488ef07343a71a0c0fc4de7155e6cd0942f32db359d6752a",
  "kernels.wasm": "5424a2b5ddf4c6bced75bda6c245baf7524a2918c9865638b6c6fa448a2c82e9"
}
