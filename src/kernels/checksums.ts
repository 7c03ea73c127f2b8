/** SHA-256 of each compiled file of this package, written by `bun run kernels`. */
export const checksums: Readonly<Record<string, string>> = {
  "kernels-darwin-arm64.dylib": "aca8d65f090dfc1a99c924e1850079ed9bf1a3212e76d25b9ca245230768faaf",
  "kernels-darwin-x64.dylib": "b4f3654ac97168428948715fc3fa6f2181312c3cc4c5863b9efb043f5b27a315",
  "kernels-linux-arm64.so": "da3f85a90f2dbbf0921786027394260ceca3f3878bedc8ae252cdd96de8895a4",
  "kernels-linux-x64.so": "3db5fe6979da11f024efa039613b9b797fa23bf0fe885ebe2a917f17f93bd5f7",
  "kernels-win32-x64.dll": "1b3964fc12a1609f34d9e49bb12a144d2fa141183818f6e0a9bdaec609dd7c9b",
  "kernels-fused-shared.wasm": "94724c5a7dd5447f307d45a4a1589495f7aa75c22b073a3fb9c1825f738a3548",
  "kernels-fused.wasm": "793c77529f3f842242b41e12ec7df95464f17e63c8175642075e6338d0e7d9db",
  "kernels-shared.wasm": "43c778be2897cd4f20d4f68729c78f16d6b5aef992b1c4ce6d60516126186440",
  "kernels.wasm": "f86ceb885b60dbcb3729a0947798b182290ca64fc8cf0bbeea67a4e09067560e"
}
