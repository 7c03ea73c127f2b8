/** SHA-256 of each compiled file of this package, written by `bun run kernels`. */
export const checksums: Readonly<Record<string, string>> = {
  "kernels-darwin-arm64.dylib": "d29ffc927ae602c3966a6d1a7bff1709d1485b8d091ce894fd4b0497222de67d",
  "kernels-darwin-x64.dylib": "82639744e8d404633806a1f1c07fb58c0e0462cb51466fe02846a3b388639cfc",
  "kernels-linux-arm64.so": "4866b79727651a3d3a7c2be2cf8b586b1ab2e4358fdfbe50ed0b229e830610b1",
  "kernels-linux-x64.so": "2f0e9a5d4efd5846d2afa3a74987e84744e9ea13eb999ede33f06df7e5c125f6",
  "kernels-win32-x64.dll": "01410226a0f04682a7d33c163c023d478d2f119332601679479d67cf38fb8904",
  "kernels-fused-shared.wasm": "54630493ab5f3d0c874281270bf609fd8994b62a09a52844119bd751dc65d573",
  "kernels-fused.wasm": "42843c2028a67046dc67d47fdf13f8467e31a9c07e1a62320c39edb2198219db",
  "kernels-shared.wasm": "f27cb754bdbad58549cdc53250a49aa19364b662f8694856629aa440c795ac56",
  "kernels.wasm": "3125623b48961c9fe0259a82a2bc831aad0086d091bbbacdd02a2e01d39858da"
}
