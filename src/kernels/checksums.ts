/** SHA-256 of each compiled file of this package, written by `bun run native` and `bun run assembly`. */
export const checksums: Readonly<Record<string, string>> = {
  "kernels-darwin-arm64.dylib": "de35b926efeee1b426442f43686300f8aae0b757b84f87db80f1b9a744ff598a",
  "kernels-darwin-x64.dylib": "bc4bc6ff0921f88cf1f23f12dc8fa5a62d1940aeeec173f5d4e8c0f408e59564",
  "kernels-linux-arm64.so": "453caf2ca26a29eafb231d914feea86565e17a32e0b617dd9e49e3e27f370259",
  "kernels-linux-x64.so": "9677b70713bdce76b8adfc2bc95575597698b2f22b70f1d56f7aed697ef8b5b2",
  "kernels-win32-x64.dll": "3ab61e9a9ca24a4731e983eec0692564847130b0c52806364570fd434cb6a9fc",
  "kernels-fused-shared.wasm": "255a85c3649709656d0885265da40a271ea2b041fc0c9f2dde23fbc7b7b7e838",
  "kernels-fused.wasm": "df2da658c3a97cb9a3e7d45f56d1dda48a88021bba8ee8950916d547a4234acc",
  "kernels-shared.wasm": "b2125c3df0c2aa6b5c37ee33336ea006d575ccb8eb79bed4d8f453546c2722cf",
  "kernels.wasm": "481c8079d4a677a3d7e20c7616e12a370348a1f30ff2910c0630b930f87b506b"
}
