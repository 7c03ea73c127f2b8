/** SHA-256 of each compiled file of this package, written by `bun run native` and `bun run assembly`. */
export const checksums: Readonly<Record<string, string>> = {
  "kernels-darwin-arm64.dylib": "2167b79bde2c4a5a240b2e39c0447a08aabf26a6c5c3dfbd76b643daa694f291",
  "kernels-darwin-x64.dylib": "a74dffffb5d83bd21f8ba0a4ad97fb117222329175472c79c237812b5fcb0ee4",
  "kernels-linux-arm64.so": "453caf2ca26a29eafb231d914feea86565e17a32e0b617dd9e49e3e27f370259",
  "kernels-linux-x64.so": "9677b70713bdce76b8adfc2bc95575597698b2f22b70f1d56f7aed697ef8b5b2",
  "kernels-win32-x64.dll": "3ab61e9a9ca24a4731e983eec0692564847130b0c52806364570fd434cb6a9fc",
  "kernels-fused-shared.wasm": "de363b8ef77addbf9ab6148a097e2b6834626608ef09fe9db4580dbaed03039f",
  "kernels-fused.wasm": "f0e79a16b379fdcf79ad52a6a452bd12a05767edd2ffdf25638b33f27f1a96b5",
  "kernels-shared.wasm": "452a510b498be6df447d560cf66f1e53ed0992d30276a766e92ba794e5831561",
  "kernels.wasm": "59c294db75399b3d6c785db0f7952618ac63d81ad04a6587fd161364ea442c1f"
}
