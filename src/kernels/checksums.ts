/** SHA-256 of each compiled file of this package, written by `bun run kernels`. */
export const checksums: Readonly<Record<string, string>> = {
  "kernels-darwin-arm64.dylib": "410d4a36e025fa7009aa866a1bd887e0520ead63dd85ca50bcea828f00dfbb2c",
  "kernels-darwin-x64.dylib": "a548e2173a1ce854f1f5246d0bcedeab4ced08043e30ce350dfe6d06ba123096",
  "kernels-linux-arm64.so": "9443770cee6618dba30f426b1a7104a9cce473a241e52fbbb83f075a09b0ba25",
  "kernels-linux-x64.so": "0839b102c84772a5d2ec4ca09d1f3f4957532608438fd0476e4b3d47350c65dd",
  "kernels-win32-x64.dll": "f689af911941d6056e21682d1407027cfcb19e55ff5c1dbc579066d3c93b4015",
  "kernels-fused-shared.wasm": "aa7fed67e8049fc69fc53f836e56f7084579fa2fabc239118113a5feac7e2ddf",
  "kernels-fused.wasm": "1842a77e4292073456cf24a448d0d7891d58b857815472f2c9e98de738b5bc6b",
  "kernels-shared.wasm": "485f0bb6175512155c23a368717aab90445302b6a1fbf9ac7e110f0f7bd65bc0",
  "kernels.wasm": "3623e3c3b3de2de58bd9cd4a16fd0801ec4a0015a736d6ac980658fbc44fa21e"
}
