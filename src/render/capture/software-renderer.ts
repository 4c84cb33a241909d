/** Renderers that need no GPU, by what WebGL calls them. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|swrast|software|microsoft basic render/i;

/** What draws pages runs on the CPU. An empty name is Chromium's own rasterizer, without WebGL. */
export function isSoftwareRenderer(name: string): boolean {
  return name === '' || SOFTWARE.test(name);
}
