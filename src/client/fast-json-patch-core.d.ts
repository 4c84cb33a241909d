// The part of fast-json-patch that applies patches, as a module of its own; without types there. Importing the whole would
// put the part that observes objects into every page too.
declare module 'fast-json-patch/module/core.mjs' {
  export { applyPatch } from 'fast-json-patch';
}
